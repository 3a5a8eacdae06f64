"""The objective a configuration names."""

from collections.abc import Callable, Mapping

from offline_training.networks.image.image_teacher import ImageTeacher
from offline_training.networks.point_backbone import PointBackbone
from offline_training.networks.projection_heads import PointHead, ProjectionHeads
from offline_training.pretraining.config import PretrainConfig
from offline_training.pretraining.methods.objective import Objective
from offline_training.pretraining.methods.olivine import Olivine
from offline_training.pretraining.methods.pixel_methods import Ppkt, Scalr
from offline_training.pretraining.methods.superpixel_methods import Seal, Slidr, StSlidr
from offline_training.pretraining.methods.two_view_methods import (
    POINT_CONTRAST_CHANNELS,
    DepthContrast,
    PointContrast,
)

_Constructor = Callable[[PretrainConfig, PointBackbone, ImageTeacher, int], Objective]
_TwoViewConstructor = Callable[[PretrainConfig, PointBackbone], Objective]


def build_objective(
    config: PretrainConfig, backbone: PointBackbone, teacher: ImageTeacher | None, num_classes: int
) -> Objective:
    """The method with fresh heads; teacher: None for methods without pictures; num_classes: of the weak labels."""
    if teacher is None:
        return _TWO_VIEW_METHODS[config.method](config, backbone)
    return _METHODS[config.method](config, backbone, teacher, num_classes)


def _olivine(config: PretrainConfig, backbone: PointBackbone, teacher: ImageTeacher, num_classes: int) -> Objective:
    return Olivine(
        _heads(backbone, teacher, config.heads == "decoupled"),
        num_classes,
        class_model=config.class_model,
        loss_weights=config.loss_weights,
        vmf_decay=config.vmf_decay,
        freeze_step=config.freeze_step,
        bias_correction=config.vmf_bias_correction,
        kl_average=config.kl_average,
        sampling=config.sampling,
        distance_bins="whole_metres" if config.network == "voxelnet" else "decimetres",
        matches=config.matches,
        temperature=config.temperature,
        average_over_positives=config.average_over_positives,
        gather_negatives=config.gather_negatives,
    )


def _ppkt(config: PretrainConfig, backbone: PointBackbone, teacher: ImageTeacher, num_classes: int) -> Objective:
    return Ppkt(_heads(backbone, teacher), config.matches, config.temperature, config.gather_negatives)


def _superpixel_method(method: type[Slidr]) -> _Constructor:
    def build(config: PretrainConfig, backbone: PointBackbone, teacher: ImageTeacher, num_classes: int) -> Objective:
        return method(_heads(backbone, teacher), config.temperature, config.gather_negatives)

    return build


def _scalr(config: PretrainConfig, backbone: PointBackbone, teacher: ImageTeacher, num_classes: int) -> Objective:
    return Scalr(PointHead(backbone.feature_channels, teacher.out_channels))


def _pointcontrast(config: PretrainConfig, backbone: PointBackbone) -> Objective:
    head = PointHead(backbone.feature_channels, POINT_CONTRAST_CHANNELS)
    return PointContrast(head, config.matches, config.temperature, config.gather_negatives)


def _depthcontrast(config: PretrainConfig, backbone: PointBackbone) -> Objective:
    return DepthContrast(backbone, config.temperature)


def _heads(backbone: PointBackbone, teacher: ImageTeacher, decoupled: bool = False) -> ProjectionHeads:
    return ProjectionHeads(backbone.feature_channels, teacher.out_channels, teacher.stride, decoupled)


_METHODS: Mapping[str, _Constructor] = {
    "olivine": _olivine,
    "ppkt": _ppkt,
    "slidr": _superpixel_method(Slidr),
    "st_slidr": _superpixel_method(StSlidr),
    "seal": _superpixel_method(Seal),
    "scalr": _scalr,
}
_TWO_VIEW_METHODS: Mapping[str, _TwoViewConstructor] = {
    "pointcontrast": _pointcontrast,
    "depthcontrast": _depthcontrast,
}
