"""What a package says of its network: the manifest for the robot and the card for people."""

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.foundation.version import VERSION, software_commit
from lidar_vl_core.model_packages.language_spec import LanguageSpec
from lidar_vl_core.model_packages.manifest import ClassTableSpec, GridSpec, Manifest, Producer, WaffleSpec
from lidar_vl_core.sparse_model.conv_bodies import OPSET
from lidar_vl_core.voxels.cell_sums import WIDTHS
from lidar_vl_core.voxels.encoder_tables import STRIDED
from lidar_vl_core.voxels.flat_grids import FEATURES
from offline_training.export.card_text import CardText
from offline_training.networks.base.point_backbone import PointBackbone
from offline_training.networks.sparse.minkunet import LEVELS, MinkUNet
from offline_training.networks.waffleiron.waffleiron import WaffleIron
from offline_training.networks.waffleiron.waffleiron_shapes import SHAPES as WAFFLEIRON_SHAPES
from offline_training.runs.backbone_config import VOXELNET, BackboneConfig


def package_manifest(
    config: BackboneConfig, classes: ClassTable, card: CardText, language: LanguageSpec | None = None
) -> Manifest:
    """What a robot is told of a network besides its weights; language: of one that answers with embeddings."""
    grid = config.grid
    low, high = grid.range_min, grid.range_max
    return Manifest(
        name=card.name,
        task="segmentation" if language is None else "embedding",
        class_table=class_table_spec(classes),
        grid=GridSpec(kind=grid.kind, voxel_size=grid.voxel_size, point_cloud_range=(*low, *high)),
        opset=OPSET,
        producer=producer(),
        training_data=card.training_data,
        licence=card.licence,
        limits=card.limits,
        language=language,
        **_network_keys(config),
    )


def producer() -> Producer:
    """Version and commit of this software, and today's date."""
    today = datetime.now(timezone.utc).date()
    return Producer(version=VERSION, commit=software_commit() or "unknown", made_on=today.isoformat())


def _network_keys(config: BackboneConfig) -> dict[str, Any]:
    if config.network in WAFFLEIRON_SHAPES:
        spec = WaffleSpec(waffle_cell_m=config.waffle_cell_m, waffle_max_points=config.waffle_max_points)
        return {"network": "waffleiron", "waffleiron": spec, "features": FEATURES, "levels": len(WIDTHS)}
    if config.network == VOXELNET:
        return {"network": "voxelnet", "features": config.features, "levels": len(STRIDED)}
    return {"features": config.features, "levels": LEVELS}


def card_markdown(network: PointBackbone, config: BackboneConfig, card: CardText) -> str:
    """The model card."""
    parameters = sum(parameter.numel() for parameter in network.parameters())
    planes = f", planes {list(network.shape.planes)}" if isinstance(network, MinkUNet) else ""
    facts = [
        f"Network: {config.network}, {parameters / 1e6:.2f} million parameters{planes}.",
        f"Input: {', '.join(config.features)} per voxel of {config.voxel_size} ({config.grid_kind}).",
        f"Range: {config.point_cloud_range}.",
    ]
    if isinstance(network, WaffleIron):
        most = "all" if config.waffle_max_points is None else f"at most {config.waffle_max_points}"
        facts[1:] = [
            f"Input: {', '.join(FEATURES)} of one point per voxel of {config.voxel_size}, {most} of them.",
            f"Grids: cells of {config.waffle_cell_m} m in {config.point_cloud_range}; points beyond are at the border.",
        ]
    return card_lines(card, facts)


def card_lines(card: CardText, facts: Sequence[str]) -> str:
    """A card's Markdown, facts of the network behind what a person said of it."""
    lines = [
        f"# {card.name}",
        "",
        card.text.strip(),
        "",
        *[f"- {line}" for line in facts],
        f"- Licence: {card.licence}",
        "",
        "## Training data",
        "",
        *[f"- {line}" for line in card.training_data],
        "",
        "## Not good for",
        "",
        *[f"- {line}" for line in card.limits],
    ]
    return "\n".join(lines) + "\n"


def class_table_spec(classes: ClassTable) -> ClassTableSpec:
    """A class table as a manifest has it."""
    colors_rgb = tuple((int(r), int(g), int(b)) for r, g, b in classes.colors_rgb)
    return ClassTableSpec(name=classes.name, names=classes.names, colors_rgb=colors_rgb)
