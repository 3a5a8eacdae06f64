"""The error for an invalid model file."""

from lidar_vl_core.foundation.errors import BadModelPackage, shortened


def bad_model(expected: str, found: object) -> BadModelPackage:
    """Say what was expected of model.onnx, and what was found in it."""
    return BadModelPackage(
        f"model.onnx: expected {shortened(expected)}, found {shortened(found)}. Export the model again with `lidar-vl-train export`."
    )
