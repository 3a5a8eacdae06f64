"""What Evaluation.metrics() says of boxes and their truth, as lines for a terminal."""

from collections.abc import Mapping
from typing import Any

from lidar_vl_core.evaluation.distance import ring_reach


def box_quality_lines(quality: Mapping[str, Any]) -> list[str]:
    """AP of the classes that the truth has, in percent, and the share of true boxes that were found, ring by ring."""
    there = {name: each for name, each in quality["classes"].items() if each["truth"]}
    if not there:
        return ["boxes compared with the truth: no true box in range contains a point"]
    classes = ", ".join(f"{name} {100 * each['ap']:.1f} % of {each['truth']}" for name, each in there.items())
    rings = ", ".join(
        f"{ring_reach(ring)} {100 * ring['recall']:.0f} % of {ring['truth']}"
        for ring in quality["recall_by_distance"]
        if ring["truth"]
    )
    return [
        f"AP by the distance of centres: mean {100 * quality['mean_ap']:.1f} %; {classes}",
        f"true boxes found within {quality['found_within_m']:g} m: {rings}",
    ]
