"""Packages changed by somebody who knows how they are sealed, and what is said against them."""

import hashlib

import onnx
import pytest
import yaml

from lidar_vl_core.foundation.errors import BadModelPackage
from lidar_vl_core.model_packages.manifest_text import steering_character
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.model_packages.package_files import sealed_manifest

MOST_CHARACTERS = 1500


def reseal(folder, change=lambda fields: None) -> None:
    """Write hashes and seal that fit the files as they are, and the manifest as it was changed."""
    path = folder / "manifest.yaml"
    fields = yaml.safe_load(path.read_text())
    fields.pop("manifest_sha256")
    fields["files"] = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in fields["files"]}
    change(fields)
    path.write_bytes(sealed_manifest(fields))


def refusal(folder) -> str:
    with pytest.raises(BadModelPackage) as refused:
        load_model_package(folder)
    told = str(refused.value)
    assert "expected" in told
    assert len(told) < MOST_CHARACTERS
    assert steering_character(told) is None
    return told


def put(place: str, value: object):
    """A change of a manifest's fields: what a dotted name leads to becomes this value."""

    def change(fields: dict) -> None:
        *path, last = place.split(".")
        for key in path:
            fields = fields[key]
        fields[last] = value

    return change


def model_refusal(folder, change) -> str:
    model = onnx.load(folder / "model.onnx")
    changed = change(model)
    (folder / "model.onnx").write_bytes(changed if isinstance(changed, bytes) else model.SerializeToString())
    reseal(folder)
    return refusal(folder)
