"""Small studies of words and of pre-training."""

from lidar_vl_core.foundation.config import validated
from offline_training.reproduction.language.language_study import LanguageStudy
from offline_training.reproduction.pretraining.pretraining_study import PretrainingStudy


def small_language_study(**changes: object) -> LanguageStudy:
    content = {
        "kind": "language",
        "title": "small",
        "source": "made up",
        "recipe": "words/synthetic_rooms.yaml",
        "run": {"extract": {"store": "{out}/features"}},
        "seeds": [0, 1],
        "rows": [
            {"name": "others", "quoted": True, "published": {"mIoU": 20.0}},
            {"name": "baseline", "run": {"specialise": {"enabled": False}}, "mode": "2d"},
            {"name": "full", "published": {"mIoU": 45.0}},
            {"name": "ensemble", "like": "full", "mode": "ensemble"},
        ],
        "columns": [
            {"name": "mIoU"},
            {"name": "mAcc", "measure": "mean_accuracy"},
            {"name": "chairs", "of": ["chair"], "rows": ["full"]},
            {"name": "labels", "measure": "pseudo_label_mean_iou"},
        ],
    }
    return validated(LanguageStudy, {**content, **changes}, "test")


def small_pretraining_study(**changes: object) -> PretrainingStudy:
    content = {
        "kind": "pretraining",
        "title": "small",
        "source": "made up",
        "seeds": [0, 1],
        "rows": [
            {"name": "random", "published": {"1 %": 30.0}},
            {"name": "ours", "recipe": "pretrain/synthetic.yaml"},
            {"name": "ours again", "like": "ours", "published": {"1 %": 50.0}},
        ],
        "columns": [{"name": "1 %", "recipe": "finetune/demo.yaml"}, {"name": "hours", "measure": "hours"}],
    }
    return validated(PretrainingStudy, {**content, **changes}, "test")
