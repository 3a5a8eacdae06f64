"""What a plan is built from and for: everything its cache key depends on."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

from pydantic import model_validator

from lidar_vl_core.foundation.config import Config
from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.sparse_model.known_precisions import Precision

THIS = "this"  # the GPU of the machine that builds
RTX_TARGETS = ("sm75", "sm80", "sm86", "sm89", "sm120", "sm121")  # Turing to Blackwell, as TensorRT-RTX lists them

Part = Literal["whole", "trunk"]  # trunk: an embedding network up to its last layer, which follows the words


class RowRange(Config):
    """How many rows a dimension of the inputs may have."""

    least: int
    usual: int  # what the plan is fastest for
    most: int

    @model_validator(mode="after")
    def _in_order(self) -> "RowRange":
        if not 0 <= self.least <= self.usual <= self.most or self.most < 1:
            raise ValueError(f"expected 0 <= least <= usual <= most, found {self.least}, {self.usual}, {self.most}")
        return self


class BuildRequest(Config):
    """One plan. Requests that differ in any field have separate plans."""

    module: str
    version: str
    model_sha256: str  # of the package's model.onnx
    part: Part = "whole"
    precision: Precision = "fp32"  # of the graph, which TensorRT takes as it is
    targets: tuple[str, ...]
    gpu: str = ""  # where the target is "this": name and capability of that GPU
    rows: dict[str, RowRange]  # by the name of the dimension in the model file
    flags: tuple[str, ...] = ("strongly typed", "no TF32")
    plugin_sha256: str = ""  # of the library that computes sparse convolutions; nothing = plain operators

    @property
    def key(self) -> str:
        """Name of the plan's files in the cache."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:24]


def parse_targets(text: str, is_rtx: bool) -> tuple[str, ...]:
    """Parse "sm86,sm89" or "this". Raises BadRequest for a target that the module does not build for."""
    names = tuple(sorted({name.strip().lower() for name in text.split(",")}, key=_number))
    if names == (THIS,):
        return names
    if not is_rtx:
        raise BadRequest(
            f"target {text}: expected {THIS}, as the module tensorrt builds for the GPU of its own machine, found "
            f"{', '.join(names)}. Build on the vehicle's computer, or install tensorrt_rtx for an RTX card."
        )
    unknown = [name for name in names if name not in RTX_TARGETS]
    if unknown:
        raise BadRequest(
            f"target {text}: expected {THIS}, or some of {', '.join(RTX_TARGETS)}, found {', '.join(unknown) or 'nothing'}. "
            "sm87 (Orin), sm90 (Hopper) and sm100 need the module tensorrt, on such a machine."
        )
    return names


def input_shapes(
    dims: Mapping[str, Sequence[int | str]], rows: Mapping[str, RowRange]
) -> dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]:
    """Least, usual and largest shape of every input of a model, whose dimensions are numbers or names.

    TensorRT takes two inputs of one dimension with different maxima; here both come of the one range of that name. Raises
    BadRequest for names without a range, ranges without a name, and coarse levels larger than fine ones.
    """
    named = {dim for shape in dims.values() for dim in shape if isinstance(dim, str)}
    if named != set(rows):
        raise BadRequest(
            f"profile: expected rows of {', '.join(sorted(named))}, found those of {', '.join(sorted(rows)) or 'nothing'}. "
            "Measure it from clouds, by the same package."
        )
    levels = sorted((name for name in rows if re.fullmatch(r"N\d+", name)), key=_number)
    for fine, coarse in pairwise(levels):
        if "child" in "".join(dims) and rows[coarse].most > rows[fine].most:
            raise BadRequest(
                f"profile: expected no more rows on level {coarse} than on {fine}, found {rows[coarse].most} and "
                f"{rows[fine].most}. Measure it from clouds."
            )

    def shape(name: str, which: Literal["least", "usual", "most"]) -> tuple[int, ...]:
        return tuple(dim if isinstance(dim, int) else getattr(rows[dim], which) for dim in dims[name])

    return {name: (shape(name, "least"), shape(name, "usual"), shape(name, "most")) for name in dims}


def _number(name: str) -> tuple[int, str]:
    digits = re.sub(r"\D", "", name)
    return int(digits or 0), name
