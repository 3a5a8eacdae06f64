"""Keys that nothing reads under the others are refused with what would read them, in every kind of configuration."""

import re

import pytest

from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadConfig
from offline_training.datasets.augment.point_augment import AugmentConfig
from offline_training.evaluation.robustness import RobustnessConfig
from offline_training.finetuning.config import FinetuneConfig
from offline_training.pretraining.config import pretrain_config_of
from offline_training.pretraining.views.pair_augment import PairAugmentConfig
from offline_training.reproduction.language.language_study import LanguageStudy
from offline_training.reproduction.pretraining.pretraining_study import PretrainingStudy
from offline_training.runs.resume import stored_config
from offline_training.toys.toy_language import ToyLanguageConfig
from offline_training.toys.toy_teacher import ToyTeacherConfig
from offline_training.weak_labels.config import WeakLabelConfig
from offline_training.words.image_models.base.config import (
    ClassesAsWordsConfig,
    OnnxTowersConfig,
    OpenClipConfig,
    OpenSceneFeaturesConfig,
    RadioConfig,
)
from offline_training.words.scenes.extract_config import ExtractConfig
from offline_training.words.settings.vlg_config import GuideConfig, PseudoLabelConfig, SelfTrainingConfig, VlgConfig

EVEN = {"kind": "pandaset", "folder": "x"}
HEAVY = {**EVEN, "weight": 2.0}
TOY = {"kind": "toy", "folder": "x"}
LABELS = {"out": "x", "source": [EVEN]}
WORDS = {"kind": "classes_as_words"}
ONNX = {"kind": "onnx", "image_encoder": "x"}
RUN = {"out": "x", "train": [EVEN]}
CLIP = {"kind": "open_clip"}
ROW = {"title": "t", "source": "s", "columns": []}

IDLE = [  # configuration, its keys, those of them that do nothing, what would read them
    (PseudoLabelConfig, {"lists": "none", "lists_file": "x"}, "lists_file", "with lists: scene or frame"),
    (PseudoLabelConfig, {"labels": "truth", "keep_fraction": 0.3, "spread": "superpoint"}, "keep_fraction, spread", "with labels: words"),
    (PseudoLabelConfig, {"segment_purity": 0.8, "segment_fill": False}, "segment_purity, segment_fill", "with spread: superpoint or superpixel"),
    (PseudoLabelConfig, {"spread": "superpixel", "superpoint_cell_m": 1.0}, "superpoint_cell_m", "with spread: superpoint"),
    (PseudoLabelConfig, {"spread": "superpoint", "superpixels": 9}, "superpixels", "with spread: superpixel"),
    (GuideConfig, {"augment": "outdoor", "hue": 0.1}, "hue", "with augment: indoor"),
    (GuideConfig, {"validate_every": 10}, "validate_every", "with select: pseudo_labels"),
    (GuideConfig, {"select": "validation_truth", "held_out_every": 3}, "held_out_every", "with select: pseudo_labels"),
    (SelfTrainingConfig, {"mode": "3d", "keep_fraction": 0.5}, "mode, keep_fraction", "with rounds above 0"),
    (SelfTrainingConfig, {"class_quantile": 0.5, "update": "fill"}, "class_quantile, update", "with rounds above 0"),
    (ExtractConfig, {"occlusion": "none", "relative_margin": 0.1}, "relative_margin", "with occlusion: depth or z_buffer"),
    (ExtractConfig, {"occlusion": "depth", "z_buffer_cell_px": 2}, "z_buffer_cell_px", "with occlusion: z_buffer"),
    (OpenClipConfig, {"kind": "open_clip", "dino": "x", "dino_weights": "y"}, "dino, dino_weights", "with reading: proxyclip"),
    (ClassesAsWordsConfig, {**WORDS, "weights": "x", "template": "y"}, "template", "with labels"),
    (ClassesAsWordsConfig, {**WORDS, "labels": "x", "height": 8, "width": 8}, "height, width", "with weights"),
    (ClassesAsWordsConfig, {**WORDS, "weights": "x", "toy": "x", "text_names": "y"}, "text_names", "with text_embeddings"),
    (OpenSceneFeaturesConfig, {"kind": "openscene_features", "folder": "x", "text_model": CLIP, "text_names": "y"}, "text_names", "with text_emb"),
    (RadioConfig, {"kind": "radio", "folder": "x", "adaptor": "x", "text_model": CLIP, "text_names": "y"}, "text_names", "with text_embeddings"),
    (OnnxTowersConfig, {**ONNX, "text_embeddings": "x", "tokenizer": "words"}, "tokenizer", "with text_encoder"),
    (OnnxTowersConfig, {**ONNX, "text_encoder": "x", "text_names": "y"}, "text_names", "with text_embeddings"),
    (WeakLabelConfig, {**LABELS, "slic_segments": 9}, "slic_segments", "with superpixels: slic"),
    (WeakLabelConfig, {**LABELS, "superpixels": "slic", "sam_masks": "x"}, "sam_masks", "with superpixels: sam"),
    (
        WeakLabelConfig,
        {**LABELS, "rule": "paint_order", "labeler": {"kind": "closed_set", "model": "x"}},
        "rule",
        "with a labeler that produces masks",
    ),
    (PairAugmentConfig, {"drop_cuboid": False, "cuboid_extent": 0.1}, "cuboid_extent", "with drop_cuboid"),
    (PairAugmentConfig, {"crop": False, "kept_pairs": 0.1}, "kept_pairs", "with crop"),
    (PairAugmentConfig, {"crop": False, "drop_cuboid": False, "min_pairs": 1}, "min_pairs", "with crop or drop_cuboid"),
    (AugmentConfig, {"beam_drop_probability": 0.0, "rings_when_unknown": 8}, "rings_when_unknown", "with beam_drop_prob"),
    (AugmentConfig, {"point_drop_probability": 0.0, "point_drop_max": 0.1}, "point_drop_max", "with point_drop_prob"),
    (AugmentConfig, {"range_crop_probability": 0.0, "range_crop_m": [1.0, 2.0]}, "range_crop_m", "with range_crop_prob"),
    (AugmentConfig, {"paste_probability": 0.0, "paste_classes": [1]}, "paste_classes", "with paste_probability"),
    (RobustnessConfig, {"sources": [EVEN], "nuscenes_c": "x", "seed": 3}, "seed", "with corruptions that are made here"),
    (
        LanguageStudy,
        {**ROW, "kind": "language", "recipe": "x", "rows": [{"name": "a", "quoted": True, "mode": "2d"}]},
        "mode",
        "without quoted",
    ),
    (
        PretrainingStudy,
        {**ROW, "kind": "pretraining", "rows": [{"name": "a", "pretrain": {"epochs": 1}}]},
        "pretrain",
        "with recipe",
    ),
    (FinetuneConfig, {**RUN, "epochs": 2, "max_steps": 9}, "max_steps", "without epochs"),
    (FinetuneConfig, {**RUN, "probe": True, "norm_momentum": 0.1}, "norm_momentum", "without probe"),
    (FinetuneConfig, {**RUN, "probe": True, "head_learning_rate": 1.0}, "head_learning_rate", "without probe"),
    (FinetuneConfig, {**RUN, "class_weight_scans": 9}, "class_weight_scans", "with class_weight_power above 0"),
    (FinetuneConfig, {**RUN, "validate_every": 9}, "validate_every", "with validation"),
    (FinetuneConfig, {**RUN, "network": "voxelnet", "stem": 16}, "stem", "for another network than voxelnet"),
    (FinetuneConfig, {**RUN, "network": "voxelnet", "initialisation": "minkowski"}, "initialisation", "for another network than voxelnet"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "keys", "idle", "condition"), IDLE, ids=lambda value: getattr(value, "__name__", None)
)
def test_a_key_that_nothing_reads_is_refused_with_what_would_read_it(model, keys, idle, condition):
    with pytest.raises(BadConfig, match=rf"\b{re.escape(idle)}: expected only {re.escape(condition)}"):
        validated(model, keys, "here")


@pytest.mark.parametrize("model", [PseudoLabelConfig, GuideConfig, ExtractConfig, PairAugmentConfig, AugmentConfig])
def test_a_key_that_nothing_reads_may_be_written_out_with_its_default(model):
    assert validated(model, model().model_dump(mode="json"), "stored") == model()


@pytest.mark.parametrize(
    ("model", "keys", "place"),
    [
        (FinetuneConfig, {"out": "x", "train": [HEAVY], "validation": [EVEN, HEAVY]}, "validation.1"),
        (VlgConfig, {"out": "x", "model": TOY, "train": [HEAVY]}, "train.0"),
        (VlgConfig, {"out": "x", "model": TOY, "train": [EVEN], "validation": [HEAVY]}, "validation.0"),
        (WeakLabelConfig, {"out": "x", "source": [HEAVY]}, "source.0"),
        (RobustnessConfig, {"sources": [HEAVY]}, "sources.0"),
        (ToyTeacherConfig, {"out": "x", "train": HEAVY, "test": EVEN}, "train"),
        (ToyLanguageConfig, {"out": "x", "train": [EVEN], "test": [HEAVY]}, "test.0"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_weight_is_refused_where_nothing_is_drawn_by_weight(model, keys, place):
    with pytest.raises(BadConfig, match=rf"here: {place}: weight: all scans are drawn equally often"):
        validated(model, keys, "here")


def test_a_weight_is_refused_in_a_pretraining():
    with pytest.raises(
        BadConfig, match=r"weight: with order: scans every scan is read once in an epoch; set order: weights"
    ):
        pretrain_config_of({"method": "ppkt", "out": "x", "train": [HEAVY], "max_steps": 1}, "here")


STORED = [
    (GuideConfig, {"augment": "outdoor", "hue": 0.1}),
    (FinetuneConfig, {"out": "x", "train": [EVEN], "validation": [HEAVY], "probe": True, "norm_momentum": 0.1}),
    (FinetuneConfig, {"out": "x", "train": [EVEN], "network": "voxelnet", "stem": 16}),
]


@pytest.mark.parametrize(("model", "keys"), STORED, ids=lambda value: getattr(value, "__name__", None))
def test_in_the_configuration_of_a_run_that_was_made_they_are_passed_over(model, keys):
    with pytest.raises(BadConfig):
        validated(model, keys, "here")
    assert stored_config(model, keys, "checkpoint")
    with pytest.raises(BadConfig, match="expected no such key"):
        stored_config(model, {**keys, "wrong": 1}, "checkpoint")
