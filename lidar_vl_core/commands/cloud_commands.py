"""The commands of `lidar-vl` about one cloud file: segment, detect, query."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lidar_vl_core.commands.input_options import add_ego, add_intensity, add_model, add_words, ego_region, words_of
from lidar_vl_core.commands.program.command_line import CommandLine
from lidar_vl_core.commands.program.program_options import add_overwrite
from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.foundation.result_folder import require_no_results, require_place

if TYPE_CHECKING:
    from lidar_vl_core.clouds.point_cloud import PointCloud


def add_cloud_commands(commands: "argparse._SubParsersAction[CommandLine]") -> None:
    """Add them to the commands of the program."""
    segment = commands.add_parser("segment", help="segment one cloud file")
    _add_cloud(segment)
    add_words(segment)
    segment.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="labelled cloud: .npz .pcd .ply or .label"
    )
    _add_image_and_columns(segment)
    segment.set_defaults(run=_segment)

    detect = commands.add_parser("detect", help="find objects in one cloud file, as boxes")
    _add_cloud(detect)
    detect.add_argument("--out", type=Path, required=True, metavar="FILE", help="list of the boxes: .json or .csv")
    detect.add_argument(
        "--score",
        action="append",
        default=[],
        metavar="CLASS=VALUE",
        help="minimum score of a class, 0 to 1; repeat for other classes (default: the package's)",
    )
    _add_image_and_columns(detect)
    detect.set_defaults(run=_detect)

    query = commands.add_parser("query", help="heat map of how well each point matches a text, seen from above")
    query.add_argument("cloud", type=Path, metavar="CLOUD", help=".bin .pcd.bin .pcd .ply .npz or .npy")
    query.add_argument("text", metavar="TEXT", help='what to look for, such as "fallen tree"')
    query.add_argument(
        "--negative",
        action="append",
        default=[],
        metavar="TEXT",
        help="what it is not, may be given again; default: the package's other words",
    )
    add_model(query)
    query.add_argument("--out", type=Path, required=True, metavar="FILE.png", help="image of the similarity")
    add_overwrite(query)
    query.set_defaults(run=_query)


def _add_cloud(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("cloud", type=Path, metavar="CLOUD", help=".bin .pcd.bin .pcd .ply .npz or .npy")
    add_model(parser)


def _add_image_and_columns(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--image", type=Path, metavar="FILE.png", help="also draw the result from above")
    parser.add_argument("--picture", dest="image", type=Path, help=argparse.SUPPRESS)  # its name until 0.2.0
    parser.add_argument(
        "--columns", metavar="A,B,C", help="columns of a .bin file, such as x,y,z,intensity,ring; `_` skips a column"
    )
    add_overwrite(parser)
    add_intensity(parser)
    add_ego(parser)


def _segment(options: argparse.Namespace) -> None:
    from lidar_vl_core.clouds.cloud_files import require_labelled_cloud
    from lidar_vl_core.commands.segment import segment
    from lidar_vl_core.model_packages.package import load_model_package
    from lidar_vl_core.tasks.segmenter import Segmenter

    cloud = _cloud_to_work_on(options)
    require_labelled_cloud(options.out)
    words = words_of(options)
    segmenter = Segmenter(load_model_package(options.model), options.engine, ego=ego_region(options))
    if words is not None:
        segmenter.set_words(words)
    print("\n".join(segment(cloud, segmenter, options.out, options.image)))


def _detect(options: argparse.Namespace) -> None:
    from lidar_vl_core.boxes.box_list import require_box_list
    from lidar_vl_core.commands.detect import detect
    from lidar_vl_core.model_packages.package import load_model_package
    from lidar_vl_core.tasks.detector import Detector

    require_box_list(options.out)
    scores = _scores(options.score)
    cloud = _cloud_to_work_on(options)
    package = load_model_package(options.model)
    detector = Detector(package, options.engine, ego=ego_region(options), score_thresholds=scores)
    print("\n".join(detect(cloud, detector, options.out, options.image)))


def _query(options: argparse.Namespace) -> None:
    from lidar_vl_core.commands.query import query, query_figure
    from lidar_vl_core.commands.segment import read_with_warnings
    from lidar_vl_core.drawing.figures import png_bytes
    from lidar_vl_core.foundation.files import write_bytes
    from lidar_vl_core.model_packages.package import load_model_package
    from lidar_vl_core.tasks.segmenter import Segmenter

    if options.out.suffix.lower() != ".png":
        raise BadRequest(f"--out {options.out}: expected a name ending in .png. Rename it.")
    require_place(options.out)
    require_no_results(options.out, options.overwrite)
    package = load_model_package(options.model)
    _ = package.language  # refuses a package that knows no words before anything is computed
    cloud = read_with_warnings(options.cloud)
    answer = query(cloud, options.text, Segmenter(package, options.engine), options.negative)
    write_bytes(options.out, png_bytes(query_figure(cloud, answer)))
    print("\n".join(answer.summary()))
    print(f"image: {options.out}")


def _cloud_to_work_on(options: argparse.Namespace) -> "PointCloud":
    """The cloud, once it is sure that the results have a place. Raises BadRequest, BadCloudFile."""
    from lidar_vl_core.commands.segment import read_with_warnings

    if options.image is not None and options.image.suffix.lower() != ".png":
        raise BadRequest(f"--image {options.image}: expected a name ending in .png. Rename it.")
    if os.path.realpath(options.out) == os.path.realpath(options.cloud):
        raise BadRequest(f"--out {options.out}: expected a new file, found the input cloud. Choose another name.")
    require_place(options.out)
    require_no_results(options.out, options.overwrite)
    if options.image is not None:
        require_place(options.image, "--image")
        require_no_results(options.image, options.overwrite, "--image")
    return read_with_warnings(options.cloud, options.columns, options.intensity_max)


def _scores(texts: Sequence[str]) -> dict[str, float]:
    """By class. Raises BadRequest for a class that is there twice, and as _score()."""
    scores = [_score(text) for text in texts]
    names = [name for name, _ in scores]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise BadRequest(f"--score: expected each class once, found {twice[0]} twice. Give one score for it.")
    return dict(scores)


def _score(text: str) -> tuple[str, float]:
    """Of CLASS=VALUE. Raises BadRequest for anything else."""
    name, equals, value = text.partition("=")
    try:
        score = float(value)
    except ValueError:
        score = -1.0
    if not (name and equals and 0.0 <= score <= 1.0):
        raise BadRequest(f"--score {text}: expected a class and a number from 0 to 1, such as car=0.4.")
    return name, score
