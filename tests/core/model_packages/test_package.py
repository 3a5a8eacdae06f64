import numpy as np
import pytest
import yaml

from lidar_vl_core.foundation.errors import BadModelPackage
from lidar_vl_core.model_packages import package, package_writer
from lidar_vl_core.model_packages.manifest import ClassTableSpec, GridSpec, Manifest, Producer
from lidar_vl_core.model_packages.package import is_model_package, load_model_package, packaged_models
from lidar_vl_core.model_packages.package_writer import write_model_package
from lidar_vl_core.sparse_model.onnx_form import SparseGraphBuilder
from lidar_vl_core.voxels.grid import VoxelGrid


def a_model(classes=2, channels=1):
    builder = SparseGraphBuilder(channels, 1, "tiny")
    weight, bias = np.zeros((27, channels, classes), np.float32), np.zeros(classes, np.float32)
    return builder.finish(builder.sparse_conv("features", "subm0", weight, bias))


def a_manifest(**changes):
    fields = {
        "name": "tiny",
        "class_table": ClassTableSpec(name="two", names=("road", "car"), colors_rgb=((1, 2, 3), (4, 5, 6))),
        "grid": GridSpec(kind="cartesian", voxel_size=(0.1, 0.1, 0.2), point_cloud_range=(-8.0, -8, -2, 8, 8, 2)),
        "features": ("height",),
        "levels": 1,
        "opset": 18,
        "producer": Producer(version="0.1.0", commit="abc"),
        "training_data": ("synthetic drives", "Straßenszenen, CC BY 4.0"),
        "licence": "Apache-2.0",
        "limits": ("no snow",),
    }
    return Manifest(**(fields | changes))


@pytest.fixture
def folder(tmp_path):
    write_model_package(tmp_path / "package", a_model(), a_manifest(), "# A card\n")
    return tmp_path / "package"


def test_what_was_written_is_read_back(folder):
    package = load_model_package(folder)
    assert package.manifest.training_data == ("synthetic drives", "Straßenszenen, CC BY 4.0")
    assert package.classes.names == ("road", "car")
    assert package.classes.colors_rgb.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert package.grid == VoxelGrid("cartesian", (0.1, 0.1, 0.2), (-8, -8, -2, 8, 8, 2))
    assert package.card == "# A card\n"
    assert package.onnx_bytes() == (folder / "model.onnx").read_bytes()


def test_a_package_is_exactly_three_files_and_leaves_no_others(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["card.md", "manifest.yaml", "model.onnx"]
    assert [path.name for path in folder.parent.iterdir()] == ["package"]


def test_the_same_model_gives_the_same_bytes(folder, tmp_path):
    write_model_package(tmp_path / "again", a_model(), a_manifest(), "# A card\n")
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_a_package_is_replaced_as_a_whole(folder):
    write_model_package(folder, a_model(), a_manifest(name="newer"), "# A newer card\n")
    package = load_model_package(folder)
    assert (package.manifest.name, package.card) == ("newer", "# A newer card\n")


def test_a_folder_with_other_files_is_never_replaced(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(BadModelPackage, match="Choose another folder"):
        write_model_package(tmp_path, a_model(), a_manifest(), "")
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_failed_write_leaves_the_older_package(folder, monkeypatch):
    def full_disk(path, content):
        raise OSError("No space left on device")

    monkeypatch.setattr(package_writer, "write_bytes", full_disk)
    with pytest.raises(BadModelPackage, match="No space left"):
        write_model_package(folder, a_model(), a_manifest(name="newer"), "")
    assert load_model_package(folder).manifest.name == "tiny"
    assert [path.name for path in folder.parent.iterdir()] == ["package"]


@pytest.mark.parametrize(
    ("model", "manifest"),
    [
        (a_model(classes=3), a_manifest()),
        (a_model(channels=2), a_manifest()),
        (a_model(), a_manifest(levels=2)),
    ],
    ids=["classes", "features", "levels"],
)
def test_a_manifest_that_speaks_of_another_network_is_refused(tmp_path, model, manifest):
    with pytest.raises(BadModelPackage, match=r"\(features, classes, levels\).* found"):
        write_model_package(tmp_path / "package", model, manifest, "")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(package, "_PACKAGED", tmp_path)
    write_model_package(tmp_path / "small", a_model(), a_manifest(), "")
    assert packaged_models() == ["small"]
    assert load_model_package("small").path == tmp_path / "small"
    with pytest.raises(BadModelPackage, match=r"'big'.*\['small'\]"):
        load_model_package("big")


def test_packages_are_told_from_other_folders(folder, tmp_path):
    assert is_model_package("demo")
    assert is_model_package(folder)
    assert not is_model_package(folder / "manifest.yaml")
    assert not is_model_package(tmp_path / "nothing")


def test_a_file_is_no_package(folder):
    with pytest.raises(BadModelPackage, match="Give its folder"):
        load_model_package(folder / "model.onnx")


def test_the_model_is_verified_again_when_it_is_read(folder):
    package = load_model_package(folder)
    (folder / "model.onnx").write_bytes(b"something else")
    with pytest.raises(BadModelPackage, match="the file changed after export"):
        package.onnx_bytes()


def test_the_manifest_is_plain_yaml(folder):
    manifest = yaml.safe_load((folder / "manifest.yaml").read_text())
    assert manifest["features"] == ["height"]
    assert set(manifest["files"]) == {"model.onnx", "card.md"}
