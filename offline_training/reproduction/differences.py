"""What the authors' code, their paper and our defaults say of the same thing, printed from the recipes: docs/differences.md."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import offline_training
from lidar_vl_core.foundation.config import Config, load_config
from offline_training.finetuning.tasks import load_finetune_config
from offline_training.pretraining.config import load_pretrain_config
from offline_training.words.settings.vlg_config import VlgConfig

_CONFIGS = Path(offline_training.__file__).parent / "configs"
NOT_TOLD = "not told"


@dataclass(frozen=True)
class Difference:
    """One key, dotted where it lies in another one."""

    what: str
    key: str
    paper: str | None = None  # in words; nothing = as the recipe that follows the paper


@dataclass(frozen=True)
class Comparison:
    """The keys of one method that its code and our defaults do not agree on."""

    title: str
    load: Callable[[Path], Config]
    code: str  # recipe, below configs/
    paper: str | None  # recipe that follows the paper
    differences: tuple[Difference, ...]


def _words(path: Path) -> Config:
    return load_config(VlgConfig, path)


COMPARISONS = (
    Comparison(
        "OLIVINE, pre-training",
        load_pretrain_config,
        "pretrain/olivine_code.yaml",
        "pretrain/olivine_paper.yaml",
        (
            Difference("voxels", "grid_kind"),
            Difference(
                "range of the voxels; the angle of nuScenes' cylinder begins as in its own axes", "point_cloud_range"
            ),
            Difference("fresh weights", "initialisation", NOT_TOLD),
            Difference("momentum of batch norms outside residual blocks", "norm_momentum", NOT_TOLD),
            Difference("1/\\|A(i)\\| in L_sup, which changes no gradient", "average_over_positives"),
            Difference("consistency is a mean over", "kl_average"),
            Difference("last step that moves the class distributions", "vmf_freeze_step", NOT_TOLD),
            Difference("several processes average their class distributions", "vmf_average_over_ranks", NOT_TOLD),
            Difference("sides of a dropped cuboid, as shares of the cloud's", "augment.cuboid_sides", NOT_TOLD),
            Difference("whose few pairs keep a cuboid", "augment.cuboid_undone", NOT_TOLD),
            Difference("pictures are averaged where they shrink", "augment.antialias", NOT_TOLD),
            Difference("where a pixel goes in a resized picture", "augment.pixel_rule", NOT_TOLD),
        ),
    ),
    Comparison(
        "SLidR and OLIVINE, fine-tuning on nuScenes",
        load_finetune_config,
        "finetune/olivine_nuscenes.yaml",
        None,
        (
            Difference("rate", "learning_rate", "0.05"),
            Difference("rate of the head", "head_learning_rate", "2.0"),
            Difference("epochs at 1 % of the labels", "epochs", "100, at other fractions 50"),
            Difference("fresh weights", "initialisation", NOT_TOLD),
            Difference("range of the voxels; the angle begins as in nuScenes' own axes", "point_cloud_range", NOT_TOLD),
            Difference("class of a voxel", "row_label", NOT_TOLD),
            Difference("what does not fill a batch at the end of an epoch", "last_batch", NOT_TOLD),
            Difference("a 17th score in the denominator", "score_of_no_class", NOT_TOLD),
            Difference("share of the rate at the end", "final_rate", NOT_TOLD),
            Difference("averaged weights", "ema_decay", NOT_TOLD),
        ),
    ),
    Comparison(
        "ScaLR, pre-training",
        load_pretrain_config,
        "pretrain/scalr.yaml",
        None,
        (
            Difference("network", "network", "WaffleIron-768"),
            Difference("branches left out in pre-training", "drop_path", NOT_TOLD),
            Difference("features of the ViT, after its last norm or before", "teacher_features", "not compared"),
            Difference("pixel of a point", "pixel", "not compared"),
            Difference("where a pixel goes in a resized picture", "augment.pixel_rule", "not compared"),
            Difference("pictures are averaged where they shrink", "augment.antialias", "not compared"),
            Difference("pictures are cropped", "augment.crop", "not compared"),
            Difference("pictures are mirrored", "augment.image_flip_probability", "not compared"),
            Difference("a cuboid is dropped", "augment.drop_cuboid", "not compared"),
            Difference("the cloud is mirrored", "augment.flip_probability", "not compared"),
            Difference("along which axes", "augment.flip_axes", "not compared"),
            Difference("the cloud is scaled", "augment.scale", "not compared"),
            Difference("steps in which the rate rises", "warm_up_steps", "not compared"),
            Difference("share of the rate at the end", "final_rate", "not compared"),
        ),
    ),
    Comparison(
        "3DSS-VLG, ScanNet",
        _words,
        "words/scannet_code.yaml",
        "words/scannet.yaml",
        (
            Difference("words", "vocabulary", NOT_TOLD),
            Difference("epochs of the adapter", "specialise.epochs"),
            Difference("scenes of its batches", "specialise.batch_size"),
            Difference("epoch of the first drop of its rate", "specialise.first_decay"),
            Difference("what does not fill its last batch", "specialise.last_batch", NOT_TOLD),
            Difference("what a voxel learns", "guide.target", NOT_TOLD),
            Difference("a batch is shifted by fewer voxels than", "guide.shift_voxels", NOT_TOLD),
            Difference("choice of the weights", "guide.select", NOT_TOLD),
            Difference("random turns of a scene in tests, summed", "guide.test_passes", NOT_TOLD),
        ),
    ),
)

# Of what there is no key for: what, the authors' code, ours.
ALWAYS = (
    (
        "distance, width of the head and layer of the teacher (CleverDistiller)",
        "not public",
        "our reading: ScaLR's distance, the teacher's width, its last norm",
    ),
    (
        "weight of occupancy, optimiser, length, augmentation (CleverDistiller)",
        "not public",
        "our reading: 1, and ScaLR's but 50 epochs with MinkUNet34",
    ),
    ("points that answer for a place (ALSO, `occupancy`)", "all within 1 m", "one in the same cubic metre, any"),
    ("way from a point to a place (ALSO, `occupancy`)", "in metres", "in tenths of a metre; the loss falls faster"),
    ("intensity at a place (ALSO, `occupancy`)", "learned beside occupancy", "not learned"),
    ("labels of SEEM (OLIVINE)", "a script, whose results are not the files that were offered", "read from PNG files"),
    (
        "pixels that no mask covers (OLIVINE)",
        "class 0, barrier",
        "no class; `uncovered: 0` where labels are written has theirs",
    ),
    ("a class met first after the distributions stand still (OLIVINE)", "NaN", "not pulled anywhere"),
    ("normaliser of the loss that is logged (OLIVINE)", "with I_0", "with I_31; no gradient hangs on it"),
    ("a picture of which no crop keeps enough pairs", "drawn again without end", "whole after 50 draws"),
    ("a superpixel map is resized (SLidR)", "id at a pixel's upper left corner", "id under its centre"),
    ("one point of each voxel (ScaLR)", "drawn before the cloud is turned and scaled", "drawn after"),
    ("intensity (ScaLR)", "less its mean, over its deviation", "0 to 1; the first batch norm does the same to both"),
    (
        "more than 20,000 points (ScaLR)",
        "the nearest to a random one",
        "thinned evenly; a picture of nuScenes sees fewer",
    ),
    ("1 and 10 % of the labels (ScaLR)", "lists of frames in its release", "SLidR's lists; ScaLR's are not read"),
    ("positions of a ViT at another size (ScaLR)", "DINOv2's interpolation", "timm's, with antialias"),
    ("colours of a voxel (3DSS-VLG)", "those of its first point", "their mean"),
    ("first step of the 3D network (3DSS-VLG)", "at a tenth of the rate", "at the rate"),
    ("five passes over the scenes in an epoch (3DSS-VLG)", "shuffled as one", "each shuffled by itself"),
    ("elastic distortion (3DSS-VLG)", "computed, and then not used", "left out"),
)


def difference_tables() -> str:
    """All of it as Markdown: the values of the recipes, of what follows the paper, and of our defaults."""
    parts = [_table(comparison) for comparison in COMPARISONS]
    rows = "\n".join(f"| {what} | {code} | {ours} |" for what, code, ours in ALWAYS)
    parts.append(f"## Without a key\n\n| what | their code | here |\n|---|---|---|\n{rows}")
    return "\n\n".join(parts)


def _table(comparison: Comparison) -> str:
    code = comparison.load(_CONFIGS / comparison.code)
    paper = None if comparison.paper is None else comparison.load(_CONFIGS / comparison.paper)
    heads = (f"their code (`{comparison.code}`)", "paper" if paper is None else f"paper (`{comparison.paper}`)")
    lines = [f"| what | key | {heads[0]} | {heads[1]} | by default |", "|---|---|---|---|---|"]
    for one in comparison.differences:
        told = one.paper if one.paper is not None else _text(_value(paper, one.key))
        values = (_text(_value(code, one.key)), told, _text(_default(type(code), one.key)))
        lines.append(f"| {one.what} | `{one.key}` | {' | '.join(values)} |")
    return f"## {comparison.title}\n\n" + "\n".join(lines)


def _value(config: Any, dotted: str) -> Any:  # noqa: ANN401  of any key
    for name in dotted.split("."):
        config = getattr(config, name)
    return config


def _default(model: type[Config], dotted: str) -> Any:  # noqa: ANN401
    first, _, rest = dotted.partition(".")
    default = model.model_fields[first].get_default(call_default_factory=True)
    return _value(default, rest) if rest else default


def _text(value: Any) -> str:  # noqa: ANN401
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(_text(one) for one in value)
    return f"{value:.5g}" if isinstance(value, float) else str(value)
