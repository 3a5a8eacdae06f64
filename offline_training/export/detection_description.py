"""What a detection package says of its detector: the manifest for the robot and the card for people."""

from typing import Any, cast

from lidar_vl_core.box_heads.anchors import AnchorKind
from lidar_vl_core.box_heads.selection import BoxSelection
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.foundation.errors import BadModelPackage
from lidar_vl_core.model_packages.detection_spec import (
    AnchorHeadSpec,
    AnchorKindSpec,
    CenterHeadSpec,
    DetectionSpec,
    SelectionSpec,
)
from lidar_vl_core.model_packages.manifest import GridSpec, Manifest
from lidar_vl_core.sparse_model.conv_bodies import OPSET
from lidar_vl_core.voxels.encoder_tables import STRIDED
from offline_training.export.card_text import CardText
from offline_training.export.description import card_lines, class_table_spec, producer
from offline_training.networks.centerpoint.centerpoint import CenterPoint
from offline_training.networks.detection.detector import Detector
from offline_training.networks.detection.inputs import DetectorPreparer
from offline_training.networks.second.second import Second

_INTENSITIES = {1.0: "intensity", 255.0: "intensity_255"}


def detection_manifest(
    detector: Detector[Any], preparer: DetectorPreparer, classes: ClassTable, card: CardText
) -> Manifest:
    """What a robot is told of a detector besides its weights; preparer: that of its evaluation.

    Raises BadModelPackage for a detector without a description, and for an intensity that no sensor's scale is.
    """
    if preparer.intensity_scale not in _INTENSITIES:
        raise BadModelPackage(
            f"intensity_scale: expected one of {list(_INTENSITIES)} in a package, found {preparer.intensity_scale}. "
            "Train with one of them."
        )
    grid = preparer.grid
    head, selection = _head(detector)
    return Manifest(
        name=card.name,
        task="detection",
        class_table=class_table_spec(classes),
        grid=GridSpec(kind=grid.kind, voxel_size=grid.voxel_size, point_cloud_range=(*grid.range_min, *grid.range_max)),
        features=("x", "y", "z", _INTENSITIES[preparer.intensity_scale], *(("time",) if preparer.with_time else ())),
        levels=len(STRIDED),
        opset=OPSET,
        producer=producer(),
        training_data=card.training_data,
        licence=card.licence,
        limits=card.limits,
        detection=DetectionSpec(
            most_points=preparer.most_points,
            most_voxels=preparer.most_voxels,
            head=head,
            selection=SelectionSpec(
                least_score=selection.least_score,
                most_candidates=selection.most_candidates,
                iou_threshold=selection.iou_threshold,
                most_boxes=selection.most_boxes,
            ),
        ),
    )


def detection_card(detector: Detector[Any], manifest: Manifest, card: CardText) -> str:
    """The model card."""
    parameters = sum(parameter.numel() for parameter in detector.parameters())
    facts = [
        f"Network: {type(detector).__name__}, {parameters / 1e6:.2f} million parameters.",
        f"Input: mean {', '.join(manifest.features)} per voxel of {manifest.grid.voxel_size} m.",
        f"Finds: {', '.join(manifest.class_table.names)}.",
        f"Range: {manifest.grid.point_cloud_range}.",
    ]
    return card_lines(card, facts)


def require_exportable(detector: Detector[Any]) -> None:
    """Raise BadModelPackage for a detector that has no ONNX form."""
    if not isinstance(detector, Second | CenterPoint):
        raise BadModelPackage(
            f"detector: expected SECOND or CenterPoint, found a {type(detector).__name__}, whose second stage needs boxes before "
            "the network is done and so has no ONNX form. Train `network: second` with start_from: this checkpoint, which "
            "begins as its first stage, and export that."
        )


def _head(detector: Detector[Any]) -> tuple[AnchorHeadSpec | CenterHeadSpec, BoxSelection]:
    require_exportable(detector)
    if isinstance(detector, CenterPoint):
        settings = detector.settings
        return CenterHeadSpec(groups=settings.groups, velocity=settings.velocity), settings.selection
    second = cast(Second, detector)
    return AnchorHeadSpec(kinds=tuple(map(_kind, second.settings.kinds))), second.selection


def _kind(kind: AnchorKind) -> AnchorKindSpec:
    return AnchorKindSpec(
        class_id=kind.class_id, size_m=kind.size_m, bottom_m=kind.bottom_m, yaws_rad=tuple(kind.yaws_rad)
    )
