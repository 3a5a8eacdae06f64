"""Clouds to rotate and filter inside one page: the points, the controls and plotly's code; nothing is fetched."""

import base64
import gzip
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.drawing.palette import screen_colors
from lidar_vl_core.drawing.thin_cloud import MOST_POINTS, ThinCloud


@dataclass(frozen=True, eq=False)
class ViewFrame:
    """One cloud of the view."""

    index: int  # in the recording
    caption: str
    cloud: ThinCloud
    found: Boxes3d | None = None  # among the points, where a detector answers
    truth: Boxes3d | None = None  # among the points, where it is known


def point_view(
    frames: Sequence[ViewFrame], classes: ClassTable, all_frames: int, box_classes: ClassTable | None = None
) -> str:
    """The section of a page as HTML; empty text without points.

    all_frames: how many the recording has. box_classes: of the boxes, where they are not those of the points.
    """
    if not any(len(frame.cloud.xyz_cm) for frame in frames):
        return ""
    has_truth = all(frame.cloud.truth is not None for frame in frames)
    has_confidence = all(frame.cloud.confidence_percent is not None for frame in frames)
    data = {
        "frames": [_frame_data(frame) for frame in frames],
        "classes": _named_colours(classes),
        "box_classes": _named_colours(classes if box_classes is None else box_classes),
        "has_truth": has_truth,
        "has_confidence": has_confidence,
        **_extent(frames),
    }
    page = files("lidar_vl_core.drawing").joinpath("page")
    # "<" would end the script element; JSON may write it otherwise.
    told = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    return (
        page.joinpath("point_view.html").read_text().replace("{rule}", _rule(frames, all_frames))
        + f'<script type="application/json" id="view-data">{told}</script>'
        + f'<script type="text/plain" id="view-library">{_packed(_plotly_js())}</script>'
        + f'<script id="view-code">{_view_code()}</script>'
    )


def content_security_policy() -> str:
    """What a browser may do for a page with the view: run its two scripts, known by their hashes, and fetch nothing.

    Plotly compiles its shaders' code, which takes 'unsafe-eval'; no other script runs that could use it.
    """
    scripts = " ".join(f"'sha256-{_sha256(content)}'" for content in (_view_code().encode(), _plotly_js()))
    return (
        f"default-src 'none'; script-src {scripts} 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def point_view_style() -> str:
    """The style sheet of the section."""
    return files("lidar_vl_core.drawing").joinpath("page", "point_view.css").read_text()


def _frame_data(frame: ViewFrame) -> dict[str, Any]:
    cloud = frame.cloud
    return {
        "index": frame.index,
        "caption": frame.caption,
        "points": cloud.points,
        "shown": len(cloud.xyz_cm),
        "data": _packed(cloud.packed()),
        "found": _box_rows(frame.found, cloud),
        "truth": _box_rows(frame.truth, cloud),
    }


def _box_rows(boxes: Boxes3d | None, cloud: ThinCloud) -> list[list[int]]:
    """Of each box: class, score in percent, then x, y, z, length, width, height in cm and yaw in thousandths of a radian."""
    if boxes is None:
        return []
    centimetres = 100 * (boxes.boxes[:, :6] - np.concatenate([cloud.middle_m, np.zeros(3)]))
    columns = [boxes.class_id, 100 * boxes.score, centimetres, 1000 * boxes.boxes[:, 6]]
    return np.column_stack(columns).round().astype(int).tolist()


def _named_colours(classes: ClassTable) -> list[dict[str, str]]:
    colors = screen_colors(classes)
    return [{"name": name.replace("_", " "), "color": _css(colors[k])} for k, name in enumerate(classes.names)]


def _extent(frames: Sequence[ViewFrame]) -> dict[str, Any]:
    """Half width and heights in metres that show nearly all points of all frames."""
    xyz_m = np.concatenate([frame.cloud.xyz_cm[::20] for frame in frames]) / 100
    half_width_m = float(np.clip(np.quantile(np.abs(xyz_m[:, :2]).max(axis=1), 0.97), 3, 80))
    low_m, high_m = np.quantile(xyz_m[:, 2], [0.005, 0.995])
    return {
        "half_width_m": round(half_width_m, 1),
        "heights_m": [round(float(low_m) - 0.5, 1), round(float(high_m) + 0.5, 1)],
    }


def _rule(frames: Sequence[ViewFrame], all_frames: int) -> str:
    cubes_cm = max(frame.cloud.cube_cm for frame in frames)
    chosen = "all frames" if len(frames) == all_frames else f"{len(frames)} of {all_frames} frames , evenly chosen"
    if not cubes_cm:
        return f"Shown: {chosen}, every point."
    return (
        f"Shown: {chosen}, each thinned to at most {MOST_POINTS:,} points: "
        f"the first point of each cube of at most {cubes_cm} cm."
    )


def _view_code() -> str:
    return files("lidar_vl_core.drawing").joinpath("page", "point_view.js").read_text(encoding="utf-8")


def _sha256(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def _plotly_js() -> bytes:
    from plotly.offline import get_plotlyjs

    return get_plotlyjs().encode()


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, 6, mtime=0)).decode()


def _css(rgb: np.ndarray) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb.tolist())
