"""How near a package's engines are to PyTorch on real clouds: a package that is too far from it is not written."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadModelPackage, BadRequest
from lidar_vl_core.model_packages.language_files import LanguageFiles
from lidar_vl_core.model_packages.manifest import Manifest
from lidar_vl_core.model_packages.package import ModelPackage
from lidar_vl_core.model_packages.package_writer import write_model_package

if TYPE_CHECKING:
    import onnx

MAX_DIFFERENCE = 1e-3  # of a logit, float32
MIN_SAME_CLASS = 0.999  # share of points, or of boxes
MIN_JUDGED_BOXES = (
    0.9  # share of the boxes of a detector that stay where its maps are disturbed as rounding disturbs them
)
ENGINES = ("fused", "onnxruntime")
_CLOUD_SUFFIXES = (".npz", ".bin", ".pcd", ".ply")


@dataclass(frozen=True)
class Parity:
    """How far an engine is from PyTorch on the clouds that were compared."""

    engine: str
    clouds: int
    points: int
    max_difference: float  # of a logit, or of a component of an embedding of unit length
    same_class: float  # share of points

    @property
    def is_near(self) -> bool:
        """Whether the engine may stand for PyTorch."""
        return self.max_difference <= MAX_DIFFERENCE and self.same_class >= MIN_SAME_CLASS

    def __str__(self) -> str:
        return (
            f"{self.engine}: {self.clouds} clouds, {self.points} points, largest difference {self.max_difference:.2g}, "
            f"same class {100 * self.same_class:.3f} %"
        )


@dataclass(frozen=True)
class BoxParity:
    """How far an engine is from PyTorch in the maps and the boxes of a detector."""

    engine: str
    clouds: int
    boxes: int  # of PyTorch
    max_difference: float  # of a value in the maps of the head
    judged_boxes: float  # share of the boxes of both that do not depend on rounding
    same_boxes: float  # share of those that the other side has, too

    @property
    def is_near(self) -> bool:
        """Whether the engine may stand for PyTorch."""
        return self.max_difference <= MAX_DIFFERENCE and self.same_boxes >= MIN_SAME_CLASS

    def __str__(self) -> str:
        return (
            f"{self.engine}: {self.clouds} clouds, {self.boxes} boxes, largest difference of the head's maps "
            f"{self.max_difference:.2g}, same boxes {100 * self.same_boxes:.3f} % of the {100 * self.judged_boxes:.1f} % "
            "that do not depend on rounding"
        )


ParityT = TypeVar("ParityT", Parity, BoxParity)


def write_compared(
    out: Path,
    model: "onnx.ModelProto",
    manifest: Manifest,
    card: str,
    compare: Callable[[ModelPackage], list[ParityT]],
    files: LanguageFiles | None = None,
) -> tuple[ModelPackage, list[ParityT]]:
    """Write a package once `compare` has found a trial of it near enough to PyTorch.

    Raises BadModelPackage, and writes nothing, when an engine differs by more than MAX_DIFFERENCE or in the answers for more
    than 1 - MIN_SAME_CLASS of the points or boxes; BadRequest when no point was compared.
    """
    with tempfile.TemporaryDirectory() as folder:
        parity = compare(write_model_package(Path(folder) / "trial", model, manifest, card, files))
    _require_near(parity, out)
    return write_model_package(out, model, manifest, card, files), parity


def require_points(points: int) -> None:
    """Raise BadRequest where the clouds have none to compare on."""
    if points == 0:
        raise BadRequest(
            "export: expected clouds with points in the grid to compare on, found none. Give other clouds."
        )


def read_clouds(paths: Sequence[Path]) -> list[PointCloud]:
    """Clouds of files and of folders. Raises BadRequest where there are none."""
    from lidar_vl_core.clouds.cloud_files import read_cloud

    return [read_cloud(file) for file in cloud_files(paths)]


def cloud_files(paths: Sequence[Path]) -> list[Path]:
    """The files of read_clouds(). Raises BadRequest where there are none."""
    files: list[Path] = []
    for path in paths:
        inside = sorted(file for file in path.glob("*") if file.suffix in _CLOUD_SUFFIXES) if path.is_dir() else [path]
        if not inside:
            raise BadRequest(
                f"{path}: expected cloud files ({' '.join(_CLOUD_SUFFIXES)}), found none. Choose another folder."
            )
        files += inside
    return files


def _require_near(parity: Sequence[Parity | BoxParity], out: Path) -> None:
    """Raise BadModelPackage where an engine is too far from PyTorch."""
    for one in parity:
        if isinstance(one, BoxParity) and not one.boxes:
            raise BadModelPackage(
                f"{out}: expected boxes to compare, the detector found none in {one.clouds} clouds. Nothing was written; give "
                "clouds with objects in them, or train the detector longer."
            )
        if not one.is_near:
            raise BadModelPackage(
                f"{out}: expected at most {MAX_DIFFERENCE} difference to PyTorch and {100 * MIN_SAME_CLASS} % equal answers, "
                f"found {one}. Nothing was written; this is a bug in the export: please report it."
            )
        if isinstance(one, BoxParity) and one.judged_boxes < MIN_JUDGED_BOXES:
            raise BadModelPackage(
                f"{out}: expected boxes that are robust to rounding, at least {100 * MIN_JUDGED_BOXES:.0f} % of them, found {one}. "
                "Nothing was written; train the detector longer, or give other clouds."
            )
