"""An engine on a GPU is believed after its first answers alone, and gives up in words."""

from types import SimpleNamespace

import numpy as np
import pytest

from lidar_vl_core.engines import gpu_engines
from lidar_vl_core.engines.checked_engine import LIMITS, CheckedEngine, likeness
from lidar_vl_core.foundation.errors import BadRequest, EngineUnavailable, TooManyVoxels
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.tasks.detector import Detector
from lidar_vl_core.tasks.segmenter import Segmenter
from lidar_vl_core.tasks.warm_up_cloud import warm_up_cloud
from lidar_vl_core.tasks.what_fits import segment_what_fits
from tests.written.embedding_packages import write_embedding_package
from tests.written.tiny_waffleiron import write_tiny_waffleiron

SCORES = np.random.default_rng(0).normal(size=(1000, 5)).astype(np.float32)


class Engine:
    """Gives what it is told to, and counts."""

    def __init__(self, answer: np.ndarray | Exception) -> None:
        self.answer, self.runs = answer, 0

    def run(self, _input: object) -> list[np.ndarray]:
        self.runs += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return [self.answer]


def checked(fast: Engine, slow: Engine, are_scores: bool = True) -> CheckedEngine:
    return CheckedEngine("gpu", fast.run, "fused", slow.run, LIMITS["fp32"], are_scores)


def test_the_slow_engine_judges_two_answers_and_then_rests():
    fast, slow = Engine(SCORES + 1e-5), Engine(SCORES)
    engine = checked(fast, slow)
    for _ in range(5):
        assert engine.run(0)[0] is fast.answer
    assert (fast.runs, slow.runs, engine.name, engine.problem) == (5, 2, "gpu", "")


@pytest.mark.parametrize(
    "answer",
    [SCORES + 0.1, -SCORES, np.full_like(SCORES, np.nan), SCORES[:-1], SCORES.argsort(axis=1).astype(np.float32)],
    ids=["offset", "sign", "NaN", "rows", "other classes"],
)
def test_other_answers_make_the_slow_engine_run_from_then_on(answer):
    fast, slow = Engine(answer), Engine(SCORES)
    engine = checked(fast, slow)
    for _ in range(3):
        assert engine.run(0)[0] is SCORES
    assert (fast.runs, engine.name) == (1, "fused")
    assert engine.problem.startswith("engine gpu failed, fused runs instead: expected the answers of fused")


def test_a_failure_of_the_gpu_does_too_also_later():
    fast, slow = Engine(SCORES), Engine(SCORES)
    engine = checked(fast, slow)
    for _ in range(4):
        engine.run(0)
    fast.answer = EngineUnavailable("CUDA cudaMalloc: out of memory")
    assert engine.run(0)[0] is SCORES
    assert engine.problem == "engine gpu failed, fused runs instead: CUDA cudaMalloc: out of memory"


def test_a_cloud_that_does_not_fit_is_no_failure_of_the_engine():
    fast = Engine(TooManyVoxels("401 rows"))
    engine = checked(fast, Engine(SCORES))
    with pytest.raises(TooManyVoxels):
        engine.run(0)
    assert engine.problem == ""


def test_likeness_is_what_it_says():
    some = np.array([[1.0, 0.0], [0.0, 4.0]], np.float32)
    other = np.array([[1.0, 2.0], [0.0, 4.0]], np.float32)
    found = likeness([other], [some], are_scores=True)
    assert (found.difference, found.same_class) == (0.5, 0.5)
    assert likeness([other], [some], are_scores=False).same_class == 1.0
    assert str(found) == "largest difference 0.5 of the largest value, same class 50.00 %"


@pytest.mark.parametrize("kind", ["labels", "words", "boxes", "waffleiron"])
@pytest.mark.parametrize("engine", ["tensorrt", "auto"])
def test_every_task_runs_its_plan_and_answers_as_the_engine_of_the_cpu(kind, engine, plans, tiny_package, tmp_path):
    add, module, _ = plans
    package = {
        "labels": lambda: load_model_package(tiny_package),
        "words": lambda: write_embedding_package(tmp_path / "words"),
        "boxes": lambda: load_model_package("demo_detector"),
        "waffleiron": lambda: write_tiny_waffleiron(tmp_path / "waffleiron"),
    }[kind]()
    on_cpu = "onnxruntime" if kind == "waffleiron" else "fused"
    add(package, most=600 if kind == "waffleiron" else 5000)
    cloud = warm_up_cloud(package.grid)
    made = Detector if kind == "boxes" else Segmenter
    robot, judge = made(package, engine, threads=1), made(package, on_cpu, threads=1)
    if kind == "boxes":
        for name, values in judge.head_maps(cloud).items():
            np.testing.assert_allclose(robot.head_maps(cloud)[name], values, atol=1e-3)
    else:
        np.testing.assert_array_equal(robot.segment(cloud).class_id, judge.segment(cloud).class_id)
    assert (robot.engine_name, robot.engine_problem) == ("tensorrt", "")
    module.times = -1.0  # a plan that computes something else
    robot = made(package, engine, threads=1)
    robot.warm_up()
    assert robot.engine_name == on_cpu
    assert f"engine tensorrt failed, {on_cpu} runs instead: expected the answers of {on_cpu}" in robot.engine_problem


@pytest.mark.parametrize(
    "changes",
    [{"version": "1.6.0"}, {"module": "tensorrt"}, {"targets": ("sm120",)}, {"targets": ("this",), "gpu": "Other (sm89)"}, {"model_sha256": "1" * 64}],
    ids=["version", "module", "target", "other GPU", "model"],
)  # fmt: skip
def test_a_plan_for_something_else_is_none(plans, tiny_package, changes):
    add, _, _ = plans
    package = load_model_package(tiny_package)
    add(package, **changes)
    with pytest.raises(
        EngineUnavailable, match=r"expected a plan of tiny in .* on Fake L4 \(sm89\), found .*lidar-vl build-engine"
    ):
        Segmenter(package, "tensorrt")


def test_a_plan_for_this_very_gpu_is_taken_and_a_damaged_one_is_not(plans, tiny_package, tmp_path):
    add, _, _ = plans
    package = load_model_package(tiny_package)
    add(package, targets=("this",), gpu="Fake L4 (sm89)")
    assert Segmenter(package, "tensorrt").engine_name == "tensorrt"
    (plan,) = (tmp_path / "engines").glob("*.plan")
    plan.write_bytes(plan.read_bytes()[:-1] + b"x")
    with pytest.raises(EngineUnavailable, match="expected the plan that was written"):
        Segmenter(package, "tensorrt")


def test_without_a_gpu_each_engine_of_one_says_so(plans, tiny_package, monkeypatch):
    _, _, runtime = plans
    package = load_model_package(tiny_package)
    runtime.fails = {"cudaGetDeviceCount"}
    with pytest.raises(
        EngineUnavailable, match="engine tensorrt: no GPU: expected an NVIDIA GPU with its driver, found: CUDA"
    ):
        Segmenter(package, "tensorrt")
    monkeypatch.setattr(gpu_engines, "may_have_gpu", lambda: False)
    with pytest.raises(EngineUnavailable, match=r"engine onnxruntime_gpu: expected one of .* and a GPU, found"):
        Segmenter(package, "onnxruntime_gpu")
    assert Segmenter(package, "auto").engine_name == "fused"


def test_a_plan_smaller_than_the_cloud_refuses_it_by_number(plans, tiny_package):
    add, _, _ = plans
    package = load_model_package(tiny_package)
    add(package, most=300)
    with pytest.raises(TooManyVoxels, match="expected 1 to 300 rows on N0, as the plan was built for, found 500"):
        Segmenter(package, "tensorrt").warm_up()


def test_by_half_the_points_a_cloud_fits_a_plan_that_is_too_small(plans, tiny_package):
    add, _, _ = plans
    package = load_model_package(tiny_package)
    add(package, most=300)
    segmenter, cloud = Segmenter(package, "tensorrt", threads=1), warm_up_cloud(package.grid)
    labels, share = segment_what_fits(segmenter, cloud)
    assert (share, segmenter.engine_name) == (0.5, "tensorrt")
    assert (labels.class_id != 255).sum() > 400


@pytest.mark.parametrize(("can_look_at_parts", "tried"), [(True, [1.0, 0.5, 0.25, 0.125]), (False, [1.0])])
def test_what_never_fits_is_refused(can_look_at_parts, tried):
    shares = []

    def segment(_cloud, share):
        shares.append(share)
        raise TooManyVoxels("too many")

    with pytest.raises(TooManyVoxels):
        segment_what_fits(SimpleNamespace(segment=segment, can_look_at_parts=can_look_at_parts), None)
    assert shares == tried


def test_an_unknown_engine_is_refused(tiny_package):
    with pytest.raises(
        BadRequest, match="expected one of auto, fused, onnxruntime, tensorrt, onnxruntime_gpu, found 'cuda'"
    ):
        Segmenter(load_model_package(tiny_package), "cuda")
