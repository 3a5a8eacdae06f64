"""The settings of the authors' code, their paper and our defaults side by side, printed from the recipes: docs/differences.md."""

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
NOT_TOLD = "not stated"


@dataclass(frozen=True)
class Difference:
    """One key, dotted if nested."""

    what: str
    key: str
    paper: str | None = None  # in words; default: the value in the recipe that follows the paper


@dataclass(frozen=True)
class Comparison:
    """The keys of one method in which its code and our defaults differ."""

    title: str
    load: Callable[[Path], Config]
    code: str  # recipe in configs/
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
                "range of the voxels; on nuScenes the cylinder's angle starts at the data set's own axis",
                "point_cloud_range",
            ),
            Difference("weight initialisation", "initialisation", NOT_TOLD),
            Difference("momentum of batch norms outside residual blocks", "norm_momentum", NOT_TOLD),
            Difference("factor 1/\\|A(i)\\| in L_sup, which does not change the gradient", "average_over_positives"),
            Difference("consistency loss is averaged over", "kl_average"),
            Difference("last step that updates the class distributions", "vmf_freeze_step", NOT_TOLD),
            Difference("class distributions are averaged over processes", "vmf_average_over_ranks", NOT_TOLD),
            Difference(
                "sides of the dropped cuboid, as shares of the cloud's extent", "augment.cuboid_sides", NOT_TOLD
            ),
            Difference("images with too few pairs that prevent dropping a cuboid", "augment.cuboid_undone", NOT_TOLD),
            Difference("antialiasing when images are shrunk", "augment.antialias", NOT_TOLD),
            Difference("position of a pixel in a resized image", "augment.pixel_rule", NOT_TOLD),
        ),
    ),
    Comparison(
        "SLidR and OLIVINE, fine-tuning on nuScenes",
        load_finetune_config,
        "finetune/olivine_nuscenes.yaml",
        None,
        (
            Difference("learning rate", "learning_rate", "0.05"),
            Difference("learning rate of the head", "head_learning_rate", "2.0"),
            Difference("epochs at 1 % of the labels", "epochs", "100; 50 at other fractions"),
            Difference("weight initialisation", "initialisation", NOT_TOLD),
            Difference(
                "range of the voxels; the cylinder's angle starts at nuScenes' own axis", "point_cloud_range", NOT_TOLD
            ),
            Difference("label of a voxel", "row_label", NOT_TOLD),
            Difference("incomplete last batch of an epoch", "last_batch", NOT_TOLD),
            Difference("a 17th class score in the softmax denominator", "score_of_no_class", NOT_TOLD),
            Difference("final learning rate, as a share of the initial one", "final_rate", NOT_TOLD),
            Difference("decay of averaged weights (EMA)", "ema_decay", NOT_TOLD),
        ),
    ),
    Comparison(
        "ScaLR, pre-training",
        load_pretrain_config,
        "pretrain/scalr.yaml",
        None,
        (
            Difference("network", "network", "WaffleIron-768"),
            Difference("rate of stochastic depth (drop path) in pre-training", "drop_path", NOT_TOLD),
            Difference("features of the ViT, before or after its last norm", "teacher_features", "not compared"),
            Difference("rounding of a point's pixel", "pixel", "not compared"),
            Difference("position of a pixel in a resized image", "augment.pixel_rule", "not compared"),
            Difference("antialiasing when images are shrunk", "augment.antialias", "not compared"),
            Difference("image crops", "augment.crop", "not compared"),
            Difference("probability of image flips", "augment.image_flip_probability", "not compared"),
            Difference("cuboid dropping", "augment.drop_cuboid", "not compared"),
            Difference("probability of cloud flips", "augment.flip_probability", "not compared"),
            Difference("axes of cloud flips", "augment.flip_axes", "not compared"),
            Difference("scale of the cloud", "augment.scale", "not compared"),
            Difference("warm-up steps", "warm_up_steps", "not compared"),
            Difference("final learning rate, as a share of the initial one", "final_rate", "not compared"),
        ),
    ),
    Comparison(
        "3DSS-VLG, ScanNet",
        _words,
        "words/scannet_code.yaml",
        "words/scannet.yaml",
        (
            Difference("vocabulary and prompts", "vocabulary", NOT_TOLD),
            Difference("side of the network's first convolution, voxels", "stem_kernel", NOT_TOLD),
            Difference("epochs of the adapter", "specialise.epochs"),
            Difference("its batch size, scenes", "specialise.batch_size"),
            Difference("epoch of the first decay of its learning rate", "specialise.first_decay"),
            Difference("its incomplete last batch", "specialise.last_batch", NOT_TOLD),
            Difference("target of a voxel", "guide.target", NOT_TOLD),
            Difference("upper limit of a batch's random shift, voxels", "guide.shift_voxels", NOT_TOLD),
            Difference("selection of the weights", "guide.select", NOT_TOLD),
            Difference("random rotations of a scene in tests, summed", "guide.test_passes", NOT_TOLD),
        ),
    ),
)

# Differences without a key: what, the authors' code, ours.
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
    ("points queried for a place (ALSO, `occupancy`)", "all within 1 m", "one random point in the same cubic metre"),
    ("offset from a point to a place (ALSO, `occupancy`)", "in metres", "in units of 0.1 m; the loss falls faster"),
    ("intensity at a place (ALSO, `occupancy`)", "learned, too", "not learned"),
    ("SEEM's weak labels (OLIVINE)", "a script, whose output differs from the published files", "read from PNG files"),
    (
        "pixels that no mask covers (OLIVINE)",
        "class 0, barrier",
        "no class; to reproduce theirs, write labels with `uncovered: 0`",
    ),
    ("a class first seen after the distributions are frozen (OLIVINE)", "NaN", "no consistency loss"),
    ("normaliser of the logged loss (OLIVINE)", "with I_0", "with I_31; the gradient is the same"),
    ("an image without a crop that keeps enough pairs", "drawn again endlessly", "used whole after 50 draws"),
    ("resizing of superpixel maps (SLidR)", "id at a pixel's upper left corner", "id under its centre"),
    ("one point of each voxel (ScaLR)", "drawn before the cloud is rotated and scaled", "drawn after"),
    ("intensity (ScaLR)", "standardised by mean and deviation", "0 to 1; the first batch norm does the same to both"),
    (
        "more than 20,000 points (ScaLR)",
        "the nearest to a random point",
        "thinned evenly; an image of nuScenes sees fewer",
    ),
    (
        "1 and 10 % of the labels (ScaLR)",
        "lists of frames in its release",
        "SLidR's lists, by `label_skip`; ScaLR's are not included, `frames` takes them",
    ),
    ("position embeddings of a ViT at another size (ScaLR)", "DINOv2's interpolation", "timm's, with antialiasing"),
    (
        "points without an image feature in the mean IoU of 2D answers (3DSS-VLG)",
        "left out; classes absent from the truth count as 0",
        "both rules are printed; by ours they are misses",
    ),
    ("colour of a voxel (3DSS-VLG)", "that of its first point", "mean of its points"),
    ("first step of the 3D network (3DSS-VLG)", "a tenth of the learning rate", "the full learning rate"),
    ("five passes over the scenes per epoch (3DSS-VLG)", "shuffled together", "each shuffled separately"),
    ("elastic distortion (3DSS-VLG)", "computed, but not used", "left out"),
)


def difference_tables() -> str:
    """All differences as Markdown tables: values of the code's recipes, of the paper, and our defaults."""
    parts = [_table(comparison) for comparison in COMPARISONS]
    rows = "\n".join(f"| {what} | {code} | {ours} |" for what, code, ours in ALWAYS)
    parts.append(f"## Without a key\n\n| what | their code | here |\n|---|---|---|\n{rows}")
    return "\n\n".join(parts)


def _table(comparison: Comparison) -> str:
    code = comparison.load(_CONFIGS / comparison.code)
    paper = None if comparison.paper is None else comparison.load(_CONFIGS / comparison.paper)
    heads = (f"their code (`{comparison.code}`)", "paper" if paper is None else f"paper (`{comparison.paper}`)")
    lines = [f"| what | key | {heads[0]} | {heads[1]} | our default |", "|---|---|---|---|---|"]
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
