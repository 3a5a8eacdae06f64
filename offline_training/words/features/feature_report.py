"""The report of an extraction: which scenes have features, their size in bytes, what could not be read."""

from dataclasses import dataclass, field
from typing import Any

from lidar_vl_core.foundation.errors import BadConfig
from offline_training.words.features.extract_scenes import SceneOutcome
from offline_training.words.features.feature_store import FeatureStore

_NAMED_PICTURES = 5  # in the report; statistics.json lists all


@dataclass
class FeatureReport:
    """What an extraction did."""

    store: FeatureStore
    channels: int
    seconds: float = 0.0
    scenes: dict[str, SceneOutcome] = field(default_factory=dict)  # scenes with features, by name
    failed: list[str] = field(default_factory=list)  # one line for each scene without

    def add(self, outcome: SceneOutcome) -> None:
        """Add one scene. Raises BadConfig if two different ones have the same name."""
        known = self.scenes.get(outcome.name)
        if outcome.failure:
            self.failed.append(outcome.failure)
        elif known is not None and known.scene_sha256 != outcome.scene_sha256:
            raise BadConfig(
                f"data sets: expected each scene to have its own name, found two called {outcome.name!r}: their features "
                "would overwrite each other. Use a separate run or store for each data set."
            )
        elif known is None:
            self.scenes[outcome.name] = outcome

    def statistics(self) -> dict[str, Any]:
        """The content of statistics.json."""
        scenes = self.scenes.values()
        held = {name: self.store.path(name).stat().st_size for name in self.scenes}
        points, visible = sum(each.points for each in scenes), sum(each.visible for each in scenes)
        looked, basis = sum(each.views for each in scenes), self.store.basis
        whole = 2 * self.channels * visible  # as OpenScene: half precision for each visible point
        return {
            "scenes": len(held),
            "made": sum(each.made for each in scenes),
            "present": sum(not each.made for each in scenes),
            "failed": self.failed,
            "pictures_left_out": [line for each in scenes for line in each.left_out],
            "points": points,
            "visible_share": visible / max(points, 1),
            "channels": self.channels,
            "components": None if basis is None else len(basis.directions),
            "variance_explained": None if basis is None else basis.explained,
            "bytes": sum(held.values()),
            "bytes_per_scene": sum(held.values()) / max(len(held), 1),
            "bytes_as_float16_per_visible_point": whole,
            "share_of_float16": sum(held.values()) / max(whole, 1),
            "pictures": looked,
            "seconds_per_picture": self.seconds / looked if looked else None,
            "bytes_of_scene": held,
        }


def report_lines(report: FeatureReport) -> list[str]:
    """The report for a terminal."""
    numbers = report.statistics()
    left_out = [line for each in report.scenes.values() for line in each.left_out]
    lines = [
        f"scenes: {numbers['made']} extracted, {numbers['present']} already there",
        f"points seen by an image: {numbers['visible_share']:.1%}",
        f"size: {numbers['bytes_per_scene'] / 1e6:,.2f} MB per scene, {numbers['share_of_float16']:.0%} of "
        f"{report.channels} half-precision numbers per visible point",
    ]
    if numbers["components"] is not None:
        lines.append(f"components: {numbers['components']} keep {numbers['variance_explained']:.1%} of the variance")
    if numbers["seconds_per_picture"] is not None:
        lines.append(f"time: {numbers['seconds_per_picture']:.3f} s per image")
    if left_out:
        lines += [f"images left out: {len(left_out)}", *(f"  {line}" for line in left_out[:_NAMED_PICTURES])]
    return lines
