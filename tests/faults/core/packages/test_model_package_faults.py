"""Damaged, completed and hostile model packages: none is accepted, each is refused in one line."""

import hashlib

import numpy as np
import onnx
import pytest
import yaml

from lidar_vl_core.foundation.errors import BadModelPackage
from lidar_vl_core.model_packages.package import load_model_package
from tests.faults.harness.amount import amount

MUTATIONS = amount(quick=1000, long=3400)  # of each file
SEAL = "manifest_sha256: "


def refusal(folder) -> str:
    with pytest.raises(BadModelPackage) as refused:
        load_model_package(folder)
    message = str(refused.value)
    assert "\n" not in message
    assert "expected" in message
    assert "found" in message
    return message


def sealed(folder, change) -> None:
    """Change the manifest as somebody would who knows how it is sealed."""
    path = folder / "manifest.yaml"
    body = path.read_text().split(SEAL)[0]
    body = change(body)
    path.write_text(f"{body}{SEAL}{hashlib.sha256(body.encode()).hexdigest()}\n")


def with_model(folder, model: onnx.ModelProto | bytes) -> None:
    """Put another model in place, with hashes that fit."""
    content = model if isinstance(model, bytes) else model.SerializeToString()
    old = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    (folder / "model.onnx").write_bytes(content)
    sealed(folder, lambda body: body.replace(old, hashlib.sha256(content).hexdigest()))


@pytest.mark.parametrize("name", ["model.onnx", "manifest.yaml", "card.md"])
def test_no_mutation_of_any_byte_is_accepted(package, name, figures):
    rng = np.random.default_rng(1)
    path = package / name
    whole = path.read_bytes()
    load_model_package(package)
    accepted = 0
    for number in range(MUTATIONS):
        content = bytearray(whole)
        position = int(rng.integers(len(content)))
        match number % 4:
            case 0:
                content[position] ^= 1 << int(rng.integers(8))
            case 1:
                del content[position:]
            case 2:
                del content[position]
            case _:
                content.insert(position, int(rng.integers(256)))
        if content == whole:
            continue
        path.write_bytes(content)
        try:
            load_model_package(package)
            accepted += 1
        except BadModelPackage as error:
            assert "\n" not in str(error)  # noqa: PT017  what else is raised fails the test
    figures.count("altered models", MUTATIONS)
    figures.count("accepted", accepted)
    assert accepted == 0


@pytest.mark.parametrize("name", ["model.onnx", "manifest.yaml", "card.md"])
def test_a_missing_file_is_named(package, name):
    (package / name).unlink()
    assert name in refusal(package)


@pytest.mark.parametrize("name", ["weights.bin", ".hidden", "model.onnx.bak", "model.engine"])
def test_an_additional_file_is_named(package, name):
    (package / name).write_bytes(b"")
    assert name in refusal(package)


def test_an_additional_folder_is_named(package):
    (package / "weights").mkdir()
    assert "weights" in refusal(package)


@pytest.mark.parametrize("name", ["model.onnx", "manifest.yaml", "card.md"])
def test_a_link_is_refused_even_to_the_right_bytes(package, tmp_path, name):
    (package / name).rename(tmp_path / name)
    (package / name).symlink_to(tmp_path / name)
    assert name in refusal(package)


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body + "engine: tensorrt\n",
        lambda body: body.replace("format: 1", "format: 2"),
        lambda body: body.replace("task: segmentation", "task: detection"),
        lambda body: body.replace("levels: 1", "levels: one"),
        lambda body: body.replace("levels: 1\n", ""),
        lambda body: body.replace("name: tiny", "name: tiny\nname: tinier"),
        lambda body: body.replace("name: tiny", "name: !!python/object/apply:os.system ['true']"),
        lambda body: body.replace("kind: cartesian", "kind: spherical"),
        lambda body: body.replace("  card.md:", "  ../card.md:"),
        lambda body: "- 1\n",
        lambda body: "",
    ],
)
def test_a_sealed_but_wrong_manifest_is_refused(package, change):
    sealed(package, change)
    refusal(package)


@pytest.mark.parametrize("place", ["../../../etc/passwd", "/etc/passwd", "weights.bin"])
def test_weights_outside_the_file_are_refused(package, place):
    model = onnx.load(package / "model.onnx")
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=place)
    with_model(package, model)
    assert place in refusal(package)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\xff" * 100])
def test_another_file_with_the_right_hash_is_no_model(package, content):
    with_model(package, content)
    refusal(package)


def test_weights_of_another_shape_are_refused(package):
    model = onnx.load(package / "model.onnx")
    model.graph.initializer[0].dims[0] = 26
    with_model(package, model)
    refusal(package)


def test_the_manifest_hash_is_the_last_line_and_covers_all_above_it(package):
    lines = (package / "manifest.yaml").read_text().splitlines(keepends=True)
    assert yaml.safe_load(lines[-1]).keys() == {SEAL.strip(": ")}
    (package / "manifest.yaml").write_text("".join([*lines, "# a remark\n"]))
    refusal(package)
