"""Words changed on the running node, and what pictures cost. Run: python -m tests.bench --only node.words

As node.latency: a publisher in the driver's place, the node, and a listener, which here also changes the words while it counts. A
network of real size with random weights: its answers mean nothing, but with one prompt all are 0, and with many they are not.
"""

import itertools
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.bench.node.cloud_traffic import INPUT, RATE_HZ, READY_TIMEOUT_S, drive, street_clouds
from tests.bench.node.latency import LABELLED
from tests.bench.node.words_listener import WORDS, listen
from tests.bench.report.table import row

if TYPE_CHECKING:
    from lidar_vl_core.clouds.point_cloud import PointCloud
    from lidar_vl_core.tasks.camera_fusion import CameraFusion

POINTS, CHANNELS = 35_000, 512
IMAGE_SIZE = (224, 400)  # of the image tower; six cameras


def measure(seconds: float = 20.0) -> list[dict[str, Any]]:
    """Rows of {name, value, unit, target, passed}."""
    with tempfile.TemporaryDirectory() as folder:
        package, clouds = Path(folder) / "package", Path(folder) / "clouds.npy"
        write_package(package)
        np.save(clouds, street_clouds(POINTS, "hdl32", 1600))
        count = round(seconds * RATE_HZ)
        heard = _run(Path(folder), clouds, package, count)
        return [*_rows(heard, count), *_core_rows(package, np.load(clouds))]


def write_package(folder: Path) -> None:
    """minkunet_small into 512 channels with random weights, a table of 32 words, and the toy's image tower."""
    import torch

    from lidar_vl_core.model_packages.language_files import LanguageFiles
    from lidar_vl_core.model_packages.language_spec import LanguageSpec
    from lidar_vl_core.model_packages.package_writer import write_model_package
    from lidar_vl_core.words.vocabulary import vocabulary_of_prompts
    from lidar_vl_core.words.vocabulary_table import text_table
    from offline_training.export.description import CardText, package_manifest
    from offline_training.export.onnx_writer import onnx_model
    from offline_training.runs.backbone_config import BackboneConfig
    from offline_training.runs.backbones import build_backbone
    from offline_training.words.image_models.toy_model import ToyModel, ToyTowers

    torch.manual_seed(0)
    config = BackboneConfig()
    network = build_backbone(config, CHANNELS).eval()
    rows = np.random.default_rng(0).normal(size=(len(WORDS), CHANNELS))
    table = text_table(vocabulary_of_prompts(WORDS), rows, 100.0, "random")
    toy = ToyModel(ToyTowers(1, CHANNELS), json.dumps({"words": ["word"], "context_length": 16}).encode())
    image = toy.image_encoder_onnx(*IMAGE_SIZE).SerializeToString()
    spec = LanguageSpec(text_space="random", channels=CHANNELS, logit_scale=100.0, image_size=IMAGE_SIZE)
    card = CardText(
        name="random", text="Random weights.", training_data=("none",), licence="Apache-2.0", limits=("random weights",)
    )
    manifest = package_manifest(config, table.class_table, card, spec)
    write_model_package(
        folder, onnx_model(network, "random"), manifest, "# Random\n", LanguageFiles(table, None, None, image)
    )


def _run(folder: Path, clouds: Path, package: Path, count: int) -> dict[str, Any]:
    from lidar_vl_ros.process.child_nodes import ChildNodes, private_graph_environment

    environment = private_graph_environment()
    with ChildNodes(folder, environment) as graph:
        graph.start("segmentation_node", {"~/input/pointcloud": INPUT}, model=str(package))
        listener = listen(count, environment)
        publisher = drive(clouds, count, (LABELLED,), environment)
        publisher.communicate(timeout=READY_TIMEOUT_S + count / RATE_HZ + 30)
        heard, _ = listener.communicate(timeout=60)
    if publisher.returncode or listener.returncode:
        log = (folder / "segmentation_node.log").read_text()
        raise RuntimeError(f"publisher ended with {publisher.returncode}, listener with {listener.returncode}: {log}")
    return json.loads(heard)


def _rows(heard: dict[str, Any], sent: int) -> list[dict[str, Any]]:
    """clouds: (arrival s, latency ms, whether one word) in order; changes: (asked s, answered s, whether one word)."""
    clouds, changes = heard["clouds"], heard["changes"]
    latency_ms = np.array([latency for _, latency, _ in clouds] or [np.inf])
    near = [latency for at, latency, _ in clouds for asked, answered, _ in changes if asked <= at <= answered + 0.15]
    stale = []
    for place, (_, answered, one_word) in enumerate(changes):
        until = changes[place + 1][0] if place + 1 < len(changes) else np.inf
        after = [found for at, _, found in clouds if answered < at < until]
        stale.append(after.index(one_word) if one_word in after else len(after))
    call_ms = np.array([1e3 * (answered - asked) for asked, answered, _ in changes] or [np.inf])
    name = (
        f"words of the node, {POINTS // 1000}k points at {RATE_HZ:.0f} Hz, {len(WORDS)} prompts of {CHANNELS} channels"
    )
    worst = max(stale, default=sent)
    beside = _drops_beside(clouds, changes)
    return [
        row(f"{name}: changes", len(changes), "changes"),
        row(f"{name}: drops of {sent} beside a change", beside, "clouds", at_most=0),
        row(f"{name}: drops of {sent} elsewhere (a busy machine)", sent - len(clouds) - beside, "clouds"),
        row(f"{name}: most clouds of the old words after the answer", worst, "clouds", at_most=1),
        row(f"{name}: changes with none", stale.count(0), "changes"),
        row(f"{name}: latency p50", round(float(np.percentile(latency_ms, 50)), 1), "ms"),
        row(f"{name}: latency p95", round(float(np.percentile(latency_ms, 95)), 1), "ms"),
        row(f"{name}: latency p50 of clouds beside a change", round(float(np.median(near or [np.inf])), 1), "ms"),
        row(f"{name}: parameter call, median", round(float(np.median(call_ms)), 1), "ms"),
        row(f"{name}: parameter call, longest", round(float(call_ms.max()), 1), "ms"),
    ]


def _drops_beside(clouds: list[Any], changes: list[Any]) -> int:
    """Clouds that are missing, by the stamps of the two around them, where words changed between these two."""
    lost = 0
    stamps = [at - latency / 1e3 for at, latency, _ in clouds]
    for place, (before, after) in enumerate(itertools.pairwise(stamps)):
        if any(before <= answered and asked <= clouds[place + 1][0] for asked, answered, _ in changes):
            lost += round((after - before) * RATE_HZ) - 1
    return lost


def _core_rows(package: Path, clouds: np.ndarray) -> list[dict[str, Any]]:
    """The change itself, and a cloud with six pictures, in this process and without ROS."""
    from lidar_vl_core.clouds.point_cloud import PointCloud
    from lidar_vl_core.model_packages.package import load_model_package
    from lidar_vl_core.tasks.camera_fusion import CameraFusion
    from lidar_vl_core.tasks.segmenter import Segmenter

    segmenter = Segmenter(load_model_package(package))
    fusion = CameraFusion(segmenter)
    fusion.warm_up()
    change_ms = []
    for number in range(20):
        started = time.perf_counter()
        segmenter.set_words(WORDS[number % 2 :])
        change_ms.append(1e3 * (time.perf_counter() - started))
    cloud = PointCloud(clouds[0, :, :3].copy(), clouds[0, :, 3].copy(), 1, "lidar")
    views = _views()

    def left_out(view: object, error: Exception) -> None:
        raise RuntimeError(f"{view}: {error}")

    timings = [fusion.segment(cloud, views, left_out).timing_ms for _ in range(7)]
    alone_ms = min(segmenter.segment(cloud).timing_ms["total"] for _ in range(7))
    fastest = {stage: min(timing[stage] for timing in timings) for stage in timings[0]}
    height, width = IMAGE_SIZE
    name = f"ensemble, {POINTS // 1000}k points, {len(views)} pictures of {width} x {height} by the toy's tower"
    return [
        row("set_words() of 32 prompts of 512 channels, median", round(float(np.median(change_ms)), 2), "ms"),
        row(f"{name}: image encoder", round(fastest["image_encoder"], 1), "ms"),
        row(f"{name}: fusion", round(fastest["fusion"], 1), "ms"),
        row(f"{name}: all of a cloud", round(fastest["total"], 1), "ms"),
        row(f"{name}: the same cloud without pictures", round(alone_ms, 1), "ms"),
        *_cpu_rows(name, fusion, cloud, views),
    ]


def _cpu_rows(name: str, fusion: "CameraFusion", cloud: "PointCloud", views: list[Any]) -> list[dict[str, Any]]:
    """What two cores have to give for a cloud whose features are finished, and for each picture beside it."""
    from lidar_vl_core.tasks.ensemble.picture_features import PlacedPicture

    placed = [PlacedPicture(fusion.encoded(view.load_rgb()), view.camera, view.T_cam_lidar) for view in views]
    cloud_ms, picture_ms = [], []
    for _ in range(15):
        started_s = time.process_time()
        fusion.segment_by(cloud, lambda: placed)
        named_s = time.process_time()
        fusion.encoded(views[0].load_rgb())
        cloud_ms.append(1e3 * (named_s - started_s))
        picture_ms.append(1e3 * (time.process_time() - named_s))
    return [
        row(f"{name}: CPU time of a cloud with finished features", round(float(np.median(cloud_ms)), 1), "ms"),
        row(f"{name}: CPU time of a picture", round(float(np.median(picture_ms)), 1), "ms"),
    ]


def _views() -> list[Any]:
    """Six cameras around the LiDAR, decoded pictures of noise."""
    from lidar_vl_core.cameras.camera_model import CameraModel
    from lidar_vl_core.cameras.view import CameraView
    from lidar_vl_core.geometry.rigid_transform import RigidTransform

    height, width = 2 * IMAGE_SIZE[0], 2 * IMAGE_SIZE[1]
    focal = width / 2 / np.tan(np.radians(35))
    camera = CameraModel(width, height, np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]]))
    to_optical = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
    rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    views = []
    for yaw_rad in np.radians(np.arange(0, 360, 60)):
        c, s = np.cos(yaw_rad), np.sin(yaw_rad)
        T_cam_lidar = RigidTransform(to_optical @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1.0]]), np.zeros(3))
        views.append(CameraView(f"camera {len(views)}", camera, T_cam_lidar, 0, lambda: rgb))
    return views
