"""What a command refuses, it refuses before PyTorch is imported, which takes up to half a minute on a cold machine."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

CONFIGS = Path(__file__).resolve().parents[3] / "offline_training" / "configs"
FINETUNE = {"out": "out", "train": [{"kind": "semantic_kitti", "folder": "kitti"}]}
PRETRAIN = {**FINETUNE, "method": "ppkt", "max_steps": 1}
WEAK = {"out": "out", "source": [{"kind": "semantic_kitti", "folder": "kitti"}], "superpixels": "slic"}
WORDS = {**FINETUNE, "model": {"kind": "toy", "folder": "toy"}}
CHECKPOINT = ["checkpoints"]
VALIDATION = {"validation": [{"kind": "semantic_kitti", "folder": "kitti"}]}
CARD = {"name": "a", "licence": "b", "training_data": [], "limits": [], "text": "c"}

_RUN_ALL = """
import contextlib, io, json, sys
from offline_training.cli.main import main
found = []
for arguments in json.load(sys.stdin):
    err = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
        try:
            code = main(arguments)
        except SystemExit as error:
            code = error.code
    found.append((code, err.getvalue(), "torch" in sys.modules))
json.dump(found, sys.stdout)
"""


def refused(folder: Path, commands: list[list[str]], without: tuple[str, ...] = ()) -> list[tuple[int, str, bool]]:
    """Code, error text and whether PyTorch was imported of each command, run one after the other in one process."""
    hidden = f"import sys\nfor name in {without!r}: sys.modules[name] = None\n"
    done = subprocess.run(
        [sys.executable, "-c", hidden + _RUN_ALL],
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return [tuple(each) for each in json.loads(done.stdout)]


def written(folder: Path, name: str, content: dict) -> str:
    (folder / name).write_text(yaml.safe_dump(content))
    return name


@pytest.fixture
def kitti(tmp_path: Path) -> Path:
    """A folder with one labelled scan, as the working directory of the commands."""
    for name in ("velodyne", "labels"):
        (tmp_path / "kitti" / "sequences" / "00" / name).mkdir(parents=True)
    np.ones((9, 4), np.float32).tofile(tmp_path / "kitti/sequences/00/velodyne/000000.bin")
    np.full(9, 40, np.uint32).tofile(tmp_path / "kitti/sequences/00/labels/000000.label")
    return tmp_path


def _of_configurations(folder: Path) -> list[tuple[list[str], str]]:
    """Every command that reads a configuration, with each kind of mistake, and what its message must hold."""
    every = {
        "finetune": (["finetune"], FINETUNE),
        "pretrain": (["pretrain"], PRETRAIN),
        "weak-label": (["weak-label"], WEAK),
        **{name: ([name], WORDS) for name in ("extract-features", "pseudo-label", "specialise", "guide")},
        "evaluate-language": (["evaluate-language", *CHECKPOINT], {**WORDS, **VALIDATION}),
        "evaluate": (["evaluate", *CHECKPOINT], VALIDATION),
        "submit": (["submit", *CHECKPOINT, "--benchmark", "semantic_kitti", "--out", "new"], VALIDATION),
        "robustness": (["robustness", *CHECKPOINT], {"sources": VALIDATION["validation"]}),
    }
    cases = []
    for name, (command, content) in every.items():
        key = next(key for key in ("validation", "train", "source", "sources") if key in content)
        one = {"kind": "semantic_kitti", "folder": "kitti"}
        mistakes = {
            "key": ({**content, "bach_size": 3}, "bach_size"),
            "kind": ({**content, key: [{**one, "kind": "semantickitti"}]}, "did you mean semantic_kitti?"),
            "folder": (
                {**content, key: [{**one, "folder": "nowhere"}]},
                "nowhere: expected the data set semantic_kitti",
            ),
        }
        if name not in ("evaluate", "submit", "robustness"):
            (folder / "empty").mkdir(exist_ok=True)
            mistakes["layout"] = ({**content, key: [{**one, "folder": "empty"}]}, "empty: expected scans")
        cases += [([*command, "--config", f"{name}-none.yaml"], "none.yaml: expected a readable YAML file")]
        cases += [
            ([*command, "--config", written(folder, f"{name}-{mistake}.yaml", wrong)], told)
            for mistake, (wrong, told) in mistakes.items()
        ]
    return cases


def test_every_mistake_in_a_configuration_is_told_before_pytorch_is_imported(kitti):
    cases = _of_configurations(kitti)
    found = refused(kitti, [command for command, _ in cases])
    for (command, told), (code, err, has_torch) in zip(cases, found, strict=True):
        assert (code, has_torch) == (2, False), (command, err)
        assert told in err, (command, err)
        assert err.count("\n") == 1


def _missing_files(folder: Path) -> list[tuple[list[str], str]]:
    config = {name: written(folder, f"{name}.yaml", content) for name, content in {
        "finetune": {**FINETUNE, "start_from": "nowhere.json"}, "validation": VALIDATION, "pretrain": PRETRAIN,
        "words": {**WORDS, **VALIDATION}, "robustness": {"sources": VALIDATION["validation"]}, "card": CARD,
        "espnet": {**WEAK, "labeler": {"kind": "espnet", "weights": "espnet.safetensors"}},
        "sam": {**WEAK, "labeler": {"kind": "sam3", "model": "sam3"}},
    }.items()}  # fmt: skip
    checkpoint = "nowhere.json: expected a checkpoint"
    return [
        (["finetune", "--config", config["finetune"]], checkpoint),
        (["pretrain", "--config", config["pretrain"]], "teacher_weights: expected a local file"),
        (["pretrain", "--config", config["pretrain"], "teacher_weights=none.pth"], "lidar-vl-train download"),
        (["weak-label", "--config", config["espnet"]], "espnet.safetensors, found none: fetch it with `lidar-vl-train download"),
        (["weak-label", "--config", config["sam"]], "labeler.model: expected a file or folder sam3"),
        (["extract-features", "--config", config["words"]], "model.folder: expected a file or folder toy, found none: train it"),
        (["pseudo-label", "--config", config["words"]], "`lidar-vl-train extract-features`"),
        (["specialise", "--config", config["words"]], "`lidar-vl-train extract-features`"),
        (["guide", "--config", config["words"]], "`lidar-vl-train extract-features`"),
        (["evaluate", "nowhere.json", "--config", config["validation"]], checkpoint),
        (["evaluate-language", "--config", config["words"]], "expected the checkpoint of a 3D network"),
        (["evaluate-language", "nowhere.json", "--config", config["words"]], checkpoint),
        (["submit", "nowhere.json", "--config", config["validation"], "--benchmark", "semantic_kitti", "--out", "new"], checkpoint),
        (["robustness", "nowhere.json", "--config", config["robustness"]], checkpoint),
        (["export", "nowhere.json", "--card", config["card"], "--clouds", "kitti", "--out", "p"], checkpoint),
        (["export", "nowhere.json", "--card", "none.yaml", "--clouds", "kitti", "--out", "p"], "none.yaml"),
        (["import-checkpoint", "none.pth", "--kind", "slidr", "--out", "i"], "none.pth: expected a file of weights"),
        (["download", "sam-vit-hug", "--out", "m"], "Did you mean sam-vit-huge?"),
        (["reproduce", "tabel1"], "Did you mean table1?"),
        (["reproduce"], "`lidar-vl-train reproduce --list`"),
        (["reproduce", "--list", "table1"], "expected no TABLE"),
        (["reproduce", "table1", "--dry-run", "--data", "none"], "Correct --data"),
        (["reproduce", "table1", "--smoke", "--data", "."], "expected no --data"),
        (["reproduce", "table1", "--smoke", "--rows", "none"], "'Random'"),
        (["check-data", "semantickitti", "kitti"], "did you mean semantic_kitti?"),
        (["check-data", "semantic_kitti", "nowhere"], "nowhere: expected the data set"),
        (["toy-language", "--config", "none.yaml"], "none.yaml"),
        (["evaluate", "nowhere.json", "--data", "kitti"], "--data: expected --config with it, found none"),
        (["finetun"], "Did you mean finetune?"),
        (["import-checkpoint", "a.pth", "--kind", "slider", "--out", "i"], "Did you mean slidr?"),
    ]  # fmt: skip


def test_every_file_that_is_missing_is_named_before_pytorch_is_imported(kitti):
    cases = _missing_files(kitti)
    found = refused(kitti, [command for command, _ in cases])
    for (command, told), (code, err, has_torch) in zip(cases, found, strict=True):
        assert (code, has_torch) == (2, False), (command, err)
        assert told in err, (command, err)


HIDDEN = (
    "torch", "lightning", "tensorboard", "safetensors", "skimage", "matplotlib", "onnxscript", "transformers", "timm",
    "torchvision", "huggingface_hub", "open_clip", "ray", "embreex",
)  # fmt: skip


def test_an_installation_of_the_core_alone_checks_data_and_names_the_extra_of_every_command(kitti):
    """No traceback and one line, whatever is missing: `needs the extra ...`, with what installs it."""
    (kitti / "checkpoints").mkdir()
    for name in ("checkpoints/last.json", "weights.pth", "detector", "segmenter", "sam3", "toy", "features"):
        (kitti / name).write_text("") if "." in name else (kitti / name).mkdir(parents=True, exist_ok=True)
    (kitti / "out/features").mkdir(parents=True)
    (kitti / "out/pseudo_labels").mkdir()
    (kitti / "out/specialised").mkdir()
    (kitti / "cloud.bin").write_bytes(bytes(64))
    sam = {**WEAK, "labeler": {"kind": "grounded_sam", "detector": "detector", "segmenter": "segmenter"}}
    config = {name: written(kitti, f"{name}.yaml", content) for name, content in {
        "finetune": FINETUNE, "validation": VALIDATION, "pretrain": PRETRAIN, "words": {**WORDS, **VALIDATION}, "card": CARD,
        "robustness": {"sources": VALIDATION["validation"]}, "weak": WEAK, "sam": sam, "ray": {**WEAK, "engine": "ray"},
        "made": {"out": "out", "train": [{"kind": "synthetic", "folder": "made"}]},
        "clip": {**WORDS, "model": {"kind": "open_clip"}}, "toy": {"out": "t", "train": [{"kind": "synthetic", "folder": "made"}],
                                                                   "test": [{"kind": "synthetic", "folder": "made"}]},
    }.items()}  # fmt: skip
    needed = {
        "train": [
            ["finetune", "--config", config["finetune"]],
            ["pretrain", "--config", config["pretrain"]],
            ["weak-label", "--config", config["weak"]],
            *[[stage, "--config", config["words"]] for stage in ("extract-features", "pseudo-label", "specialise", "guide")],
            ["evaluate", "checkpoints", "--config", config["validation"]],
            ["evaluate", "checkpoints"],
            ["evaluate-language", "checkpoints", "--config", config["words"]],
            ["submit", "checkpoints", "--config", config["validation"], "--benchmark", "semantic_kitti", "--out", "new"],
            ["robustness", "checkpoints", "--config", config["robustness"]],
            ["export", "checkpoints", "--card", config["card"], "--clouds", "cloud.bin", "--out", "package"],
            ["import-checkpoint", "weights.pth", "--kind", "slidr", "--out", "imported"],
            ["reproduce", "synthetic"],
            ["reproduce", "table1", "--smoke"],
        ],
        "vfm": [["weak-label", "--config", config["sam"]], ["download", "sam-vit-huge", "--accept-licence", "apache-2.0", "--out", "m"]],
        "language": [["extract-features", "--config", config["clip"]]],
        "synthetic": [["finetune", "--config", config["made"]], ["toy-language", "--config", config["toy"]]],
    }  # fmt: skip
    commands = [(extra, command) for extra, each in needed.items() for command in each]
    found = refused(
        kitti, [["check-data", "semantic_kitti", "kitti"], ["--help"], *[each for _, each in commands]], HIDDEN
    )
    assert [code for code, _, _ in found[:2]] == [0, 0], found[:2]
    for (extra, command), (code, err, _) in zip(commands, found[2:], strict=True):
        assert code == 2, (command, err)
        assert f"needs the extra `{extra}`" in err, (command, err)
        assert f"pip install 'lidar-vl[{extra}]'" in err
        assert err.count("\n") == 1


def test_the_extra_ray_is_asked_for_where_the_engine_is_ray(kitti):
    config = written(kitti, "ray.yaml", {**WEAK, "engine": "ray"})
    ((code, err, _),) = refused(kitti, [["weak-label", "--config", config]], ("ray",))
    assert code == 2
    assert "needs the extra `ray`" in err
