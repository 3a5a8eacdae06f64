"""Distortion models by the names and with the lengths of D that drivers and calibration tools give them."""

import re
from collections.abc import Sequence

from lidar_vl_core.foundation.errors import BadCalibration

_NO_DISTORTION = ("", "none", "pinhole", "perspective")
# Compared without capitals, spaces, hyphens and underscores.
_MODEL_OF = {
    **dict.fromkeys(("plumbbob", "radtan", "radialtangential", "brownconrady"), "plumb_bob"),
    **dict.fromkeys(("rationalpolynomial", "rational"), "rational_polynomial"),
    **dict.fromkeys(("equidistant", "equi", "fisheye", "kannalabrandt", "kannalabrandt4"), "equidistant"),
}
_LONGEST = {"plumb_bob": 5, "rational_polynomial": 8, "equidistant": 4}
_SHORTEST = 4


def lens_of(name: str, coefficients: Sequence[float]) -> tuple[str, tuple[float, ...]]:
    """A model of `Distortion` with as many coefficients as it takes, for CameraInfo's distortion_model and D.

    Zeros behind the last coefficient say nothing and are cut off or added. An empty D is no distortion, but of a fisheye,
    whose image is bent without any. plumb_bob and rational_polynomial are one model of different lengths, as in OpenCV.
    Raises BadCalibration for another name, and for coefficients that the model does not have.
    """
    D = tuple(float(value) for value in coefficients)
    spelt = re.sub(r"[\s_-]", "", name.lower())
    if spelt in _NO_DISTORTION:
        if any(D):
            raise BadCalibration(
                f"D: expected no coefficients beside the distortion model {name!r}, found {list(D)}. "
                f"Name the model they belong to: {', '.join(_LONGEST)}."
            )
        return "pinhole", ()
    model = _MODEL_OF.get(spelt)
    if model is None:
        raise BadCalibration(
            f"distortion model: expected one of pinhole, {', '.join(_LONGEST)}, or a synonym of these, found {name!r}. "
            "Rectify the images, or calibrate with a known model."
        )
    if not D and model != "equidistant":  # what drivers of rectified images send
        return "pinhole", ()
    if model == "plumb_bob" and any(D[_LONGEST[model] :]):
        model = "rational_polynomial"
    return model, _fitting(model, D, name)


def _fitting(model: str, D: tuple[float, ...], name: str) -> tuple[float, ...]:
    longest = _LONGEST[model]
    if len(D) < _SHORTEST or any(D[longest:]):
        count = f"{longest}" if longest == _SHORTEST else f"{_SHORTEST} to {longest}"
        raise BadCalibration(
            f"D: expected {count} coefficients for {name}, and zeros beyond, found {list(D)}. "
            "Check distortion_model and D of the calibration."
        )
    return (*D, *([0.0] * (longest - len(D))))[:longest] if model == "rational_polynomial" else D[:longest]
