"""What half and int8 cost the demo models: mean IoU and average precision beside float32 on labelled scans. Prints Markdown.

Run: python -m tests.bench.training.precision [--only demo]; minutes, so it is no part of `make bench`. The scans are the real ones of the folder of
recordings that tests use, and synthetic test streets for more boxes than a few real frames have. Int8 is calibrated with two frames of PandaSet
alone: what it loses on other sensors is part of the question. Exit code 1 where half gives 0.1 % of the points another class, or
int8 loses a point of mean IoU or average precision.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.clouds.cloud_files import read_cloud
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.commands.program.command_line import CommandLine
from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from lidar_vl_core.model_packages.package import ModelPackage, load_model_package
from lidar_vl_core.sparse_model.known_precisions import Precision
from lidar_vl_core.tasks.detector import Detector
from offline_training.datasets.data_sources import DataSource, data_source, open_source
from offline_training.export.answers import answers_of
from offline_training.export.export_precision import export_precision
from offline_training.export.precision_parity import same_boxes
from offline_training.finetuning.detection.judging import BoxFinder, measured
from tests.recordings import FOLDERS

RUNS: tuple[tuple[Precision, str], ...] = (("fp16", "onnxruntime"), ("int8", "onnxruntime"), ("int8", "fused"))
CALIBRATION = ("00", "16")  # frames of PandaSet
MIN_SAME_FP16, MAX_LOSS_INT8 = 0.999, 1.0  # share of points; points of mean IoU or AP
# Labels of the range images: road, sidewalk, building, pole, vegetation, person, two-wheeler, car, truck, bus, none.
RANGE_IMAGE_CLASSES = (
    "driveable_surface", "sidewalk", "manmade", "manmade", "vegetation", "pedestrian", None, "car", "truck", "bus", None,
)  # fmt: skip
_Scans = list[tuple[PointCloud, np.ndarray]]  # with the class of each point


@dataclass(frozen=True)
class Row:
    """How a package does on a data set, beside the same in float32."""

    model: str
    data: str
    run: str
    same: float  # share of the points with the same class, or of the boxes
    score: float | None  # mean IoU or AP, %; None where the data has no truth
    loss: float | None  # of it, points
    passed: bool

    def __str__(self) -> str:
        """A row of a Markdown table."""
        score = "-" if self.score is None else f"{self.score:.2f}"
        loss = "-" if self.loss is None else f"{self.loss:+.2f}"
        verdict = "" if self.passed else " MISSED |"
        return f"| {self.model} | {self.data} | {self.run} | {100 * self.same:.3f} % | {score} | {loss} |{verdict}"


def main() -> int:
    """Print the table; exit code 1 where a limit is missed."""
    parser = CommandLine(prog="python -m tests.bench.training.precision", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=FOLDERS.get("real", FOLDERS["shipped"]), metavar="DIR")
    parser.add_argument("--only", nargs="+", choices=("demo", "demo_detector"), default=("demo", "demo_detector"))
    parser.add_argument("--streets", type=int, default=8, help="synthetic ones with boxes, two sweeps each; default 8")
    arguments = parser.parse_args()
    print("| model | data | package, engine | same class, or box | mean IoU, or AP | loss |\n|---|---|---|---|---|---|")
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.only:
            packages = lowered(name, arguments.data, Path(folder))
            if name == "demo":
                rows = points_table(name, packages, arguments.data)
            else:
                rows = boxes_table(name, packages, arguments.data, Path(folder), arguments.streets)
            for row in rows:
                print(row, flush=True)
                missed += not row.passed
    return 1 if missed else 0


def lowered(name: str, data: Path, folder: Path) -> dict[Precision, ModelPackage]:
    """The package and what is made of it, as `lidar-vl-train export` does."""
    (pandaset,) = data.glob("pandaset_*")
    files = [pandaset / "lidar" / f"{frame}.npz" for frame in CALIBRATION]
    single = load_model_package(name)
    packages: dict[Precision, ModelPackage] = {"fp32": single}
    for precision in ("fp16", "int8"):
        chosen = files if precision == "int8" else ()
        out = folder / f"{name}_{precision}"
        packages[precision] = export_precision(single, out, precision, [read_cloud(files[0])], chosen)[0]
    return packages


def points_table(name: str, packages: dict[Precision, ModelPackage], data: Path) -> Iterator[Row]:
    """Of a package that labels points."""
    classes = packages["fp32"].classes
    for title, scans in labelled_scans(data, classes):
        single = [answers_of(packages["fp32"], "fused")(cloud).class_id for cloud, _ in scans]
        of_single = _mean_iou(single, scans, classes)
        yield Row(name, title, "fp32, fused", 1.0, of_single, None if of_single is None else 0.0, True)
        for precision, engine in RUNS:
            found = [answers_of(packages[precision], engine)(cloud).class_id for cloud, _ in scans]
            pairs = [(one == other)[other != IGNORE_ID] for one, other in zip(found, single, strict=True)]
            same, score = float(np.mean(np.concatenate(pairs))), _mean_iou(found, scans, classes)
            yield _row(name, title, precision, engine, same, score, of_single)


def boxes_table(
    name: str, packages: dict[Precision, ModelPackage], data: Path, folder: Path, streets: int
) -> Iterator[Row]:
    """Of a detector."""
    for source in box_sources(data, folder, streets):
        single, of_single = _judged(packages["fp32"], "fused", source)
        title = f"{source.title}, {len(single)} scans"
        yield Row(name, title, "fp32, fused", 1.0, of_single, 0.0, True)
        for precision, engine in RUNS:
            found, score = _judged(packages[precision], engine, source)
            yield _row(name, title, precision, engine, same_boxes(found, single, packages["fp32"]), score, of_single)


def labelled_scans(data: Path, classes: ClassTable) -> Iterator[tuple[str, _Scans]]:
    """Each data set with the class of each of its points, 255 where nobody knows."""
    (pandaset,) = data.glob("pandaset_*")
    for source in (
        data_source({"kind": "pandaset", "folder": str(pandaset), "frames": ["30", "32", "34", "36"]}, "precision"),
        data_source(
            {"kind": "semantic_kitti", "folder": str(data / "semantickitti"), "sequences": ["00"]}, "precision"
        ),
    ):
        samples = open_source(source, classes)
        chosen = [samples[number] for number in range(len(samples))]
        scans = [(each.cloud, each.class_id) for each in chosen if each.class_id is not None]
        yield f"{source.kind}, {len(scans)} scans", scans
    images = sorted(data.glob("rangeimage_labelled/nuscenes*/*.npz"))
    ids = [IGNORE_ID if name is None else classes.names.index(name) for name in RANGE_IMAGE_CLASSES]
    scans = [(read_cloud(path), np.array(ids, np.uint8)[np.load(path)["label"].ravel()]) for path in images]
    yield f"nuscenes, {len(scans)} range images", scans
    clouds = [read_cloud(path) for path in sorted(data.glob("nuscenes_*/*LIDAR_TOP*.bin"))]
    yield f"nuscenes, {len(clouds)} key frame", [(cloud, np.full(len(cloud), IGNORE_ID, np.uint8)) for cloud in clouds]


def box_sources(data: Path, folder: Path, streets: int) -> Iterator[DataSource]:
    """Data sets with boxes in nuScenes' classes."""
    (pandaset,) = data.glob("pandaset_*")
    yield data_source({"kind": "pandaset", "folder": str(pandaset), "frames": ["30", "32", "34", "36"]}, "precision")
    for lidar, seed in (("hdl32", 9000), ("hdl64", 9100)) if streets else ():
        made = {"first_seed": seed, "streets": streets, "frames_per_street": 2, "lidar": lidar}
        yield data_source({"kind": "synthetic", "folder": str(folder / lidar), **made}, "precision")


def _mean_iou(found: list[np.ndarray], scans: _Scans, classes: ClassTable) -> float | None:
    confusion = ConfusionMatrix(len(classes))
    for class_id, (_, truth) in zip(found, scans, strict=True):
        confusion.add(truth, class_id)
    return 100 * confusion.mean_iou() if confusion.points else None


def _judged(package: ModelPackage, engine: str, source: DataSource) -> tuple[list[Boxes3d], float]:
    """The boxes of each scan, and the AP in percent."""
    detector, boxes = Detector(package, engine), []
    finder = BoxFinder(detector.classes, 1, package.manifest.grid.point_cloud_range, _kept(detector.detect, boxes))
    quality = measured(finder, [source])
    return boxes, float("nan") if quality is None else 100 * quality.score()


def _kept(find: Callable[[PointCloud], Boxes3d], boxes: list[Boxes3d]) -> Callable[[PointCloud], Boxes3d]:
    def found(cloud: PointCloud) -> Boxes3d:
        boxes.append(find(cloud))
        return boxes[-1]

    return found


def _row(
    name: str, title: str, precision: Precision, engine: str, same: float, score: float | None, single: float | None
) -> Row:
    loss = None if score is None or single is None else single - score
    passed = same >= MIN_SAME_FP16 if precision == "fp16" and name == "demo" else loss is None or loss < MAX_LOSS_INT8
    return Row(name, title, f"{precision}, {engine}", same, score, loss, passed)


if __name__ == "__main__":
    sys.exit(main())
