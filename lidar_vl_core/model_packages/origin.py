"""What somebody should know of a model's origin before it drives: its licence, and how old it is."""

from datetime import date

from lidar_vl_core.model_packages.manifest import Manifest


def origin(manifest: Manifest, today: date) -> str:
    """`Apache-2.0, made on 2026-11-29 (12 days ago)`; says so where the package does not know its day, or tells one to come."""
    if manifest.producer.made_on is None:
        return f"{manifest.licence}, made on an unknown day"
    made_on = date.fromisoformat(manifest.producer.made_on)
    days = (today - made_on).days
    if days < 0:
        return f"{manifest.licence}, made on {made_on}, which is still to come by this machine's clock"
    return f"{manifest.licence}, made on {made_on} ({days} {'day' if days == 1 else 'days'} ago)"
