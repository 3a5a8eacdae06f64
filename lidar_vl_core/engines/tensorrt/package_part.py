"""The part of a package that TensorRT, or another runtime for complete model files, runs."""

from typing import TYPE_CHECKING

from lidar_vl_core.foundation.errors import BadRequest

if TYPE_CHECKING:
    from lidar_vl_core.engines.tensorrt.build_request import Part
    from lidar_vl_core.model_packages.package import ModelPackage
    from lidar_vl_core.sparse_model.known_precisions import Precision


def package_part(package: "ModelPackage") -> "tuple[Part, bytes]":
    """The model file, without its last layer where that follows the words."""
    content = package.onnx_bytes()
    if package.manifest.language is None:
        return "whole", content
    import onnx

    from lidar_vl_core.sparse_model.trunk import trunk_model

    return "trunk", trunk_model(onnx.load_model_from_string(content)).SerializeToString()


def require_precision(package: "ModelPackage", precision: "Precision") -> None:
    """Raise BadRequest for another precision than the package's: TensorRT computes a graph in the types it is written in."""
    found = package.manifest.precision
    if precision != found:
        raise BadRequest(
            f"--precision {precision}: expected {found}, as {package.manifest.name} was exported, found {precision}. Export "
            f"the model again with --precision {precision}, or leave it out."
        )
