"""CleverDistiller (Govindarajan et al., BMVC 2025): points learn the frozen features of their pixels through an MLP.

It needs neither labels nor negatives. Where public texts leave details open, our reading applies:
../keys/cleverdistiller.py.
"""

from collections.abc import Callable, Sequence

from offline_training.networks.base.point_backbone import PointBackbone, Preparer
from offline_training.networks.image.image_teacher import ImageTeacher
from offline_training.networks.projection_heads import PointMlpHead
from offline_training.pretraining.base.method import Method, Views
from offline_training.pretraining.base.objective import required
from offline_training.pretraining.base.paired_views import collate_scans, one_scan
from offline_training.pretraining.base.stored_ids import StoredIds
from offline_training.pretraining.keys.cleverdistiller import CleverDistillerConfig
from offline_training.pretraining.methods.scalr import Scalr, collate_first_points, one_camera_views
from offline_training.pretraining.views.paired_scan import PairedScan
from offline_training.pretraining.views.pretrain_batch import PretrainBatch


def _objective(
    config: CleverDistillerConfig, ids: StoredIds | None, backbone: PointBackbone, teacher: ImageTeacher | None
) -> Scalr:
    """ScaLR's objective with an MLP head."""
    return Scalr(PointMlpHead(backbone.feature_channels, required(teacher).out_channels, config.head_layers))


def _views(config: CleverDistillerConfig, ids: StoredIds | None) -> Views:
    return one_camera_views(config) if config.cameras == "one" else one_scan(config)


def _collate(config: CleverDistillerConfig, preparer: Preparer) -> Callable[[Sequence[PairedScan]], PretrainBatch]:
    return (collate_first_points if config.cameras == "one" else collate_scans)(config, preparer)


METHOD = Method(config=CleverDistillerConfig, views=_views, collate=_collate, objective=_objective)
