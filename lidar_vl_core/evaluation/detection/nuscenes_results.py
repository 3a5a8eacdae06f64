"""nuScenes' results file (JSON), which its evaluator and its server take: written, and read back. Touches the disk.

Boxes stand in nuScenes' global frame there, with sizes as width, length, height and the yaw as a quaternion w, x, y, z.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.evaluation.detection.judged_boxes import require_judgeable, require_same_frames
from lidar_vl_core.evaluation.detection.nuscenes_frame import ATTRIBUTES, MOST_BOXES, NuscenesFrame, require_attributes
from lidar_vl_core.foundation.errors import BadBoxes, BadLabels
from lidar_vl_core.foundation.files import write_text
from lidar_vl_core.foundation.near_names import did_you_mean

GLOBAL_FRAME = "map"
MODALITIES = ("use_camera", "use_lidar", "use_radar", "use_map", "use_external")
_MOVING_MPS = 0.2  # faster is moving
_DEFAULT_ATTRIBUTE = {  # class -> (moving, standing)
    **dict.fromkeys(("car", "truck", "bus", "trailer", "construction_vehicle"), ("vehicle.moving", "vehicle.parked")),
    "pedestrian": ("pedestrian.moving", "pedestrian.standing"),
    **dict.fromkeys(("motorcycle", "bicycle"), ("cycle.with_rider", "cycle.without_rider")),
    **dict.fromkeys(("traffic_cone", "barrier"), ("", "")),
}


@dataclass(frozen=True)
class SampleResult:
    """The predictions of one sample."""

    boxes: Boxes3d  # in the global frame, "map"
    attribute: tuple[str, ...]  # (N,), "" = none


def default_attributes(boxes: Boxes3d, classes: ClassTable) -> tuple[str, ...]:
    """(N,) the likeliest attribute of a class at its speed: above 0.2 m/s moving, or with a rider; a slow vehicle is parked.

    A box without a velocity counts as slow; barriers and cones have none.
    """
    speed_mps = np.nan_to_num(np.linalg.norm(boxes.velocity_mps, axis=1), nan=0.0)
    return tuple(
        _DEFAULT_ATTRIBUTE[classes.names[class_id]][0 if speed > _MOVING_MPS else 1]
        for class_id, speed in zip(boxes.class_id, speed_mps, strict=True)
    )


def write_nuscenes_results(
    path: Path, results: Mapping[str, SampleResult], classes: ClassTable, modalities: Sequence[str] = ("use_lidar",)
) -> None:
    """Write the results file. results: by sample token, empty ones among them. modalities: what the detector used.

    Boxes of no class (255) are left out; a velocity that is not known is told as 0, because the file has no word for it.
    Raises BadBoxes for boxes in another frame, more than 500 in a sample, boxes without a volume, scores outside 0..1,
    attributes of other classes; BadLabels for classes that nuScenes does not have.
    """
    unknown = [name for name in classes.names if name not in ATTRIBUTES]
    if unknown:
        raise BadLabels(
            f"class table {classes.name}: expected nuScenes' classes, found {', '.join(unknown)}. Map them."
        )
    if wrong := set(modalities) - set(MODALITIES):
        raise BadBoxes(f"modalities: expected some of {', '.join(MODALITIES)}, found {', '.join(sorted(wrong))}.")
    content = {
        "meta": {name: name in modalities for name in MODALITIES},
        "results": {token: _rows(token, result, classes) for token, result in results.items()},
    }
    write_text(path, json.dumps(content, allow_nan=False))


def read_nuscenes_results(path: Path, classes: ClassTable) -> dict[str, SampleResult]:
    """The predictions of a results file, by sample token.

    Raises BadLabels naming the sample for a file of another form, or for classes that are not in the table; BadBoxes for
    numbers that are none.
    """
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        raise BadLabels(
            f"{path}: expected a results file of nuScenes, found: {str(error)[:120]}. Check the path."
        ) from error
    results = content.get("results") if isinstance(content, dict) else None
    if not isinstance(results, dict):
        raise BadLabels(f"{path}: expected an object with 'results' by sample token, found none. Write it again.")
    read = {}
    for token, rows in results.items():
        try:
            read[token] = _result(token, rows, classes)
        except (BadBoxes, BadLabels) as error:
            raise type(error)(f"{path}: sample {token[:40]}: {str(error)[:700]}") from error
        except (ValueError, TypeError, OverflowError) as error:
            raise BadLabels(
                f"{path}: sample {token[:40]}: expected boxes, found: {str(error)[:120]}. Write it again."
            ) from error
    return read


def frames_with_results(truth: Mapping[str, NuscenesFrame], results: Mapping[str, SampleResult]) -> list[NuscenesFrame]:
    """The frames of a split, in the global frame, with the predictions of a results file in place of theirs.

    In the order of the file, by which equal scores rank. Raises BadBoxes where samples are missing on one side.
    """
    require_same_frames(truth, results)
    return [
        replace(truth[token], found=result.boxes, found_attribute=result.attribute) for token, result in results.items()
    ]


def _rows(token: str, result: SampleResult, classes: ClassTable) -> list[dict[str, Any]]:
    boxes = result.boxes
    require_judgeable(boxes, classes)
    if boxes.frame_id != GLOBAL_FRAME:
        raise BadBoxes(
            f"sample {token}: expected boxes in nuScenes' global frame, {GLOBAL_FRAME!r}, found them in {boxes.frame_id!r}. "
            "Move them there."
        )
    if len(boxes) > MOST_BOXES:
        raise BadBoxes(
            f"sample {token}: expected at most {MOST_BOXES} boxes, found {len(boxes)}. Keep the most confident ones."
        )
    if len(result.attribute) != len(boxes):
        raise BadBoxes(f"sample {token}: expected {len(boxes)} attributes, found {len(result.attribute)}.")
    if (boxes.boxes[:, 3:6] == 0.0).any():
        raise BadBoxes(f"sample {token}: expected sizes > 0, found 0. Leave such boxes out.")
    rows = []
    for box, class_id, score, velocity_mps, attribute in zip(
        boxes.boxes, boxes.class_id, boxes.score, boxes.velocity_mps, result.attribute, strict=True
    ):
        if class_id >= len(classes):
            continue
        name = classes.names[class_id]
        if attribute and attribute not in ATTRIBUTES[name]:
            raise BadBoxes(
                f"sample {token}: expected for a {name} one of {', '.join(ATTRIBUTES[name]) or 'no attributes'}, found "
                f"{attribute!r}."
            )
        x, y, z, length, width, height, yaw = box.tolist()
        rows.append(
            {
                "sample_token": token,
                "translation": [x, y, z],
                "size": [width, length, height],
                "rotation": [np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)],
                "velocity": np.nan_to_num(velocity_mps, nan=0.0).tolist(),
                "detection_name": name,
                "detection_score": float(score),
                "attribute_name": attribute,
            }
        )
    return rows


def _result(token: str, rows: object, classes: ClassTable) -> SampleResult:
    if not isinstance(rows, list):
        raise BadLabels(f"expected a list of boxes, found {type(rows).__name__}. Write the file again.")
    read = [_read_row(token, row, classes) for row in rows]
    attribute = tuple(row[-1] for row in read)
    require_attributes(attribute)
    boxes = Boxes3d.of(
        np.array([row[0] for row in read]).reshape(-1, 7),
        np.array([row[1] for row in read]),
        np.array([row[2] for row in read]),
        np.array([row[3] for row in read]).reshape(-1, 2),
        GLOBAL_FRAME,
    )
    require_judgeable(boxes, classes)
    return SampleResult(boxes, attribute)


def _read_row(token: str, row: object, classes: ClassTable) -> tuple[list[float], int, float, list[float], str]:
    if not isinstance(row, dict):
        raise BadLabels(f"expected boxes as objects, found {type(row).__name__}. Write the file again.")
    if row.get("sample_token") != token:
        raise BadLabels(
            f"expected boxes of this sample, found sample_token {repr(row.get('sample_token'))[:80]}. Sort the boxes by sample."
        )
    name, attribute = row.get("detection_name"), row.get("attribute_name")
    if name not in classes.names:
        raise BadLabels(
            f"detection_name: expected one of {', '.join(classes.names)}, found {repr(name)[:80]}.{did_you_mean(str(name)[:80], classes.names)}"
        )
    if not isinstance(attribute, str):
        raise BadLabels(f"attribute_name: expected text, '' for none, found {repr(attribute)[:80]}.")
    width, length, height = _numbers(row, "size", 3)
    return (
        [*_numbers(row, "translation", 3), length, width, height, _yaw_rad(_numbers(row, "rotation", 4))],
        classes.id_of(str(name)),
        _numbers({"detection_score": [row.get("detection_score")]}, "detection_score", 1)[0],
        _numbers(row, "velocity", 2),
        attribute,
    )


def _numbers(row: Mapping[str, Any], key: str, count: int) -> list[float]:
    values = row.get(key)
    if not isinstance(values, list) or len(values) != count or any(type(value) not in (int, float) for value in values):
        raise BadLabels(f"{key}: expected {count} numbers, found {repr(values)[:80]}. Write the file again.")
    return [float(value) for value in values]


def _yaw_rad(wxyz: list[float]) -> float:
    """Where the quaternion turns +x, seen from above, as the evaluator reads it."""
    w, x, y, z = wxyz
    norm = w * w + x * x + y * y + z * z
    if not 0.0 < norm < np.inf:
        raise BadBoxes(f"rotation: expected a quaternion, found {wxyz}. Write the file again.")
    return float(np.arctan2(2 * (w * z + x * y), w * w + x * x - y * y - z * z))
