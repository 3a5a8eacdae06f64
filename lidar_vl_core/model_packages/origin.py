"""What to know about a model's origin before use: its licence, and how old it is."""

from datetime import date

from lidar_vl_core.model_packages.manifest import Manifest


def origin(manifest: Manifest, today: date) -> str:
    """`Apache-2.0, made on 2026-11-29 (12 days ago)`; also says when the date is unknown or in the future."""
    if manifest.producer.made_on is None:
        return f"{manifest.licence}, made on an unknown date"
    made_on = date.fromisoformat(manifest.producer.made_on)
    days = (today - made_on).days
    if days < 0:
        return f"{manifest.licence}, made on {made_on}, which is in the future by this machine's clock"
    return f"{manifest.licence}, made on {made_on} ({days} {'day' if days == 1 else 'days'} ago)"
