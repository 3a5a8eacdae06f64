"""Camera fusion: the surer of network and pictures names a point, as a slow reference says point by point."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.pairing import ZBuffer, point_pixel_pairs
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.engines.image_tower import ImageEncoder
from lidar_vl_core.foundation.errors import BadImage, BadModelPackage
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.tasks.camera_fusion import CameraFusion
from lidar_vl_core.tasks.ensemble.fused_labels import fused_labels
from lidar_vl_core.tasks.ensemble.picture_features import PictureFeatures, PlacedPicture
from lidar_vl_core.tasks.ensemble.prompt_cosines import PromptCosines
from lidar_vl_core.tasks.segmenter import Segmenter
from lidar_vl_core.words.text_table import TextTable, label_embeddings
from lidar_vl_core.words.vocabulary import load_vocabulary, vocabulary_of_prompts
from tests.written.embedding_packages import random_table, write_embedding_package

SIZE = (48, 64)
CAMERA = CameraModel(128, 96, np.array([[80.0, 0, 63.5], [0, 80.0, 47.5], [0, 0, 1]]))
FRONT = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])  # optical axes of a camera that looks along x


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory):
    return write_embedding_package(tmp_path_factory.mktemp("fusion") / "package", image_size=SIZE)


@pytest.fixture(scope="module")
def fusion(package) -> CameraFusion:
    return CameraFusion(Segmenter(package, threads=1), threads=1)


def _turned(yaw_rad: float) -> RigidTransform:
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    return RigidTransform(FRONT @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1.0]]), np.zeros(3))


def _views(count: int = 2, seed: int = 1) -> list[CameraView]:
    """Cameras that look a little past each other, so that many points are seen by two."""
    rng = np.random.default_rng(seed)
    views = []
    for number in range(count):
        rgb = rng.integers(0, 256, (CAMERA.height, CAMERA.width, 3), np.uint8)
        views.append(CameraView(f"camera {number}", CAMERA, _turned(0.4 * number), 0, lambda rgb=rgb: rgb))
    return views


def _cloud(count: int = 300, reach_m: float = 22.0, seed: int = 2) -> PointCloud:
    xyz_m = np.random.default_rng(seed).uniform((-reach_m, -reach_m, -3), (reach_m, reach_m, 3), (count, 3))
    xyz_m[:3] = np.nan, np.inf, 0.0
    return PointCloud(xyz_m.astype(np.float32), np.full(count, 0.5, np.float32), 1, "lidar")


def _nobody(view: CameraView, error: Exception) -> None:
    raise AssertionError(f"{view.name} left out: {error}")


def _slow_means(xyz_m: np.ndarray, pictures: list[tuple[RigidTransform, np.ndarray]]) -> np.ndarray:
    """(N, C) mean of the features of the cells that each point falls into; NaN where it is unseen."""
    channels = pictures[0][1].shape[0]
    total, count = np.zeros((len(xyz_m), channels)), np.zeros(len(xyz_m))
    for T_cam_lidar, features in pictures:
        pairs = point_pixel_pairs(xyz_m, [(CAMERA, T_cam_lidar)], occlusion=ZBuffer())
        for point, (u, v) in zip(pairs.point_index, pairs.pixel_uv, strict=True):
            row = int((v + 0.5) / CAMERA.height * features.shape[1])
            column = int((u + 0.5) / CAMERA.width * features.shape[2])
            total[point] += features[:, row, column]
            count[point] += 1
    with np.errstate(invalid="ignore"):
        return total / count[:, None]


def _slow_labels(fusion_package, cloud: PointCloud, views: list[CameraView], table: TextTable) -> np.ndarray:
    """OpenScene's rule point by point: the embedding whose largest cosine is larger, the network's on ties."""
    encoder = ImageEncoder(fusion_package, 1)
    pictures = [(v.T_cam_lidar, encoder.features(v.load_rgb())) for v in views]
    of_pictures = _slow_means(cloud.xyz_m, pictures)
    of_network = Segmenter(fusion_package, threads=1).embeddings(cloud)
    kept = []
    for flat, deep in zip(of_pictures, of_network, strict=True):
        best_2d, best_3d = _best(flat, table), _best(deep, table)
        kept.append(flat if best_2d > best_3d else deep)
    return label_embeddings(np.array(kept, np.float32), table)[0]


def _best(embedding: np.ndarray, table: TextTable) -> float:
    if not np.isfinite(embedding).all() or not embedding.any():
        return -np.inf
    return float((table.embeddings @ (embedding / np.linalg.norm(embedding))).max())


def test_the_labels_are_those_of_the_slow_reference(fusion, package):
    cloud, views = _cloud(2000), _views()
    labels = fusion.segment(cloud, views, _nobody)
    expected = _slow_labels(package, cloud, views, package.text_table())
    assert_array_equal(labels.class_id, expected)
    alone = Segmenter(package, threads=1).segment(cloud)
    assert (alone.class_id != expected).sum() > 20  # the pictures decide somewhere
    assert (alone.class_id == expected).sum() > 20
    assert ((labels.probability > 0) == (labels.class_id != 255)).all()


def test_what_the_pictures_say_alone_is_told_too(fusion, package):
    cloud, views = _cloud(500), _views()
    pictures = [(v.T_cam_lidar, ImageEncoder(package, 1).features(v.load_rgb())) for v in views]
    expected = label_embeddings(_slow_means(cloud.xyz_m, pictures).astype(np.float32), package.text_table())[0]
    labels = fusion.segment(cloud, views, _nobody)
    assert_array_equal(labels.picture_class_id, expected)
    assert (labels.picture_class_id != labels.class_id).any()
    alone = Segmenter(package, threads=1).segment(cloud).class_id
    both = (alone != 255) & (expected != 255)
    assert both.any()
    assert labels.disagreement == (alone != expected)[both].mean()
    assert fusion.segment(cloud, [], _nobody).disagreement is None
    assert (fusion.segment(cloud, [], _nobody).picture_class_id == 255).all()
    assert Segmenter(package, threads=1).segment(cloud).picture_class_id is None


def test_points_beyond_the_network_s_range_are_named_by_the_pictures(fusion, package):
    cloud = _cloud(reach_m=60.0)
    alone, labels = Segmenter(package, threads=1).segment(cloud), fusion.segment(cloud, _views(), _nobody)
    assert ((alone.class_id == 255) & (labels.class_id != 255)).sum() > 5
    assert (labels.class_id[:2] == 255).all()  # not finite: nobody sees them


def _placed(T_cam_lidar: RigidTransform, features: np.ndarray) -> PlacedPicture:
    return PlacedPicture(PictureFeatures(features, (CAMERA.height, CAMERA.width)), CAMERA, T_cam_lidar)


def _of_network(xyz_m: np.ndarray, cosine: list[list[float]], rows: list[int], table: TextTable) -> PromptCosines:
    return PromptCosines(np.array(cosine, np.float32), np.array(rows, np.int32), xyz_m, table, {})


@pytest.mark.parametrize("threads", [1, 3])
def test_the_answer_of_several_pictures_is_that_of_the_mean_feature(threads, monkeypatch):
    monkeypatch.setattr("lidar_vl_core.tasks.ensemble.fused_labels._BLOCK_POINTS", 50)  # several blocks
    rng = np.random.default_rng(5)
    table = random_table(load_vocabulary("nuscenes16"))
    pictures = [(_turned(yaw), rng.normal(size=(table.channels, 9, 13)).astype(np.float32)) for yaw in (0.0, 0.3, 0.5)]
    pictures[1][1][:, :4] = 0.0  # cells that say nothing
    cloud = _cloud(500)
    nothing = _of_network(cloud.xyz_m, [[np.nan] * len(table.prompts)], [-1] * len(cloud), table)
    found = fused_labels(nothing, [_placed(*picture) for picture in pictures], ZBuffer(), threads)
    class_id, probability = label_embeddings(_slow_means(cloud.xyz_m, pictures), table)
    assert_array_equal(found.class_id, class_id)
    assert_array_equal(found.picture_class_id, class_id)
    assert_allclose(found.probability, probability, atol=1e-5)
    assert found.picture_share == (class_id != 255).mean() > 0.2


def test_on_ties_the_network_wins_and_without_either_there_is_no_answer():
    table = random_table(vocabulary_of_prompts(["a", "b"]), channels=2)
    table = replace(table, embeddings=np.eye(2, dtype=np.float32))
    ahead = np.array([[5.0, 0, 0]] * 5, np.float32)
    ahead[4] = -5.0, 0, 0  # behind the camera
    cosine = [[0.6, 0.1], [0.8, 0.1], [0.9, 0.1], [np.nan, np.nan]]
    of_network = _of_network(ahead, cosine, [0, 1, 2, -1, -1], table)
    picture = _placed(_turned(0.0), np.array([0.6, 0.8], np.float32)[:, None, None])
    assert fused_labels(of_network, [picture], None).class_id.tolist() == [1, 0, 0, 1, 255]
    assert fused_labels(of_network, [picture], None).picture_share == 0.4
    assert fused_labels(of_network, [], None).class_id.tolist() == [0, 0, 0, 255, 255]


def test_answers_are_kept_until_other_words_are_asked_for():
    tables = [random_table(vocabulary_of_prompts(words)) for words in (["a", "b"], ["c", "d", "e"])]
    features = PictureFeatures(np.ones((tables[0].channels, 2, 3), np.float32), (4, 6))
    first = features.answers(tables[0])
    assert features.answers(tables[0]) is first
    assert features.answers(tables[1]).dot.shape == (6, 3)
    assert_array_equal(features.answers(tables[0]).dot, first.dot)


def test_without_pictures_the_answer_is_the_segmenter_s_own(fusion, package):
    cloud = _cloud()
    labels, alone = fusion.segment(cloud, [], _nobody), Segmenter(package, threads=1).segment(cloud)
    assert_array_equal(labels.class_id, alone.class_id)
    assert_array_equal(labels.probability, alone.probability)
    assert labels.timing_ms["image_encoder"] == labels.timing_ms["fusion"] == 0.0


def test_words_set_at_the_segmenter_are_those_of_the_pictures_too(package):
    segmenter = Segmenter(package, threads=1)
    fusion = CameraFusion(segmenter, threads=1)
    segmenter.set_words(["car", "tree"])
    labels = fusion.segment(_cloud(), _views(), _nobody)
    assert labels.classes.names == ("car", "tree")
    assert set(labels.class_id) <= {0, 1, 255}


@pytest.mark.parametrize("cloud", [_cloud(3), _cloud(3, 1e6)], ids=["nothing finite but the sensor", "far away"])
def test_clouds_with_nothing_to_name_get_no_answers(fusion, cloud):
    none = PointCloud(cloud.xyz_m[:2], cloud.intensity[:2], 1, "lidar")
    assert (fusion.segment(none, _views(), _nobody).class_id == 255).all()
    empty = PointCloud(cloud.xyz_m[:0], cloud.intensity[:0], 1, "lidar")
    assert len(fusion.segment(empty, _views(), _nobody).class_id) == 0


def test_a_picture_that_cannot_be_used_is_left_out_and_named(fusion, package):
    good, small = _views()
    left_out = []

    def broken() -> np.ndarray:
        raise BadImage("cut")

    bad = CameraView("bad", CAMERA, good.T_cam_lidar, 0, broken)
    small = CameraView("small", CAMERA, small.T_cam_lidar, 0, lambda: np.zeros((8, 8, 3), np.uint8))
    cloud = _cloud()
    labels = fusion.segment(cloud, [bad, good, small], lambda view, error: left_out.append((view.name, str(error))))
    assert_array_equal(labels.class_id, fusion.segment(cloud, [good], _nobody).class_id)
    assert left_out[0] == ("bad", "cut")
    assert "expected images of 128 x 96 pixels" in left_out[1][1]
    nothing = fusion.segment(cloud, [bad], lambda view, error: None)
    assert_array_equal(nothing.class_id, fusion.segment(cloud, [], _nobody).class_id)


def test_the_encoder_takes_pictures_of_any_size(package):
    encoder = ImageEncoder(package, 1)
    rgb = np.random.default_rng(3).integers(0, 256, (*SIZE, 3), np.uint8)
    large = np.repeat(np.repeat(rgb, 2, axis=0), 2, axis=1)
    assert encoder.features(rgb).shape == (package.language.channels, SIZE[0] // 4, SIZE[1] // 4)
    assert np.corrcoef(encoder.features(rgb).ravel(), encoder.features(large).ravel())[0, 1] > 0.8


def test_a_package_without_an_image_encoder_is_refused(tmp_path: Path, tiny_package):
    plain = write_embedding_package(tmp_path / "plain")
    with pytest.raises(BadModelPackage, match="expected a package with an image encoder"):
        CameraFusion(Segmenter(plain))
    closed = load_model_package(tiny_package)
    with pytest.raises(BadModelPackage, match="task embedding"):
        CameraFusion(Segmenter(closed))
