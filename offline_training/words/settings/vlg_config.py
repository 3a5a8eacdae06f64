"""The configuration of a run of 3DSS-VLG: one for all its stages, which find each other's results under `out`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from lidar_vl_core.foundation.config import Config, Use
from lidar_vl_core.words.vocabulary import Vocabulary, load_vocabulary
from offline_training.datasets.data_sources import EvenSource
from offline_training.runs.run_config import RunConfig
from offline_training.words.image_models.base.config import ImageModelConfig
from offline_training.words.scenes.extract_config import ExtractConfig

_Share = Annotated[float, Field(gt=0.0, le=1.0)]
_Quantile = Annotated[float, Field(ge=0.0, lt=1.0)]


class PseudoLabelConfig(Config):
    """Stage 1: a class for every point from its averaged image features."""

    # truth: the true class of every point that a view sees, as an upper bound of what an adapter can learn
    labels: Literal["words", "truth"] = "words"
    lists: Literal["scene", "frame", "none"] = (
        "scene"  # scene or frame: class lists that restrict the answers; none: no restriction
    )
    lists_file: str | None = None  # JSON: scene name -> class names; default: derived from the labels of the data set
    keep_fraction: _Share = (
        1.0  # share of each class's points in a scene that is kept, the most confident ones; DBGroup: 0.3
    )
    class_quantile: _Quantile | None = None  # this quantile of a class's probabilities in all scenes is its threshold
    spread: Literal["none", "superpoint", "superpixel"] = "none"  # one class per segment, by majority
    segment_purity: Annotated[float, Field(ge=0.0, le=1.0)] = (
        0.0  # a segment whose majority class has a smaller share of its labelled points loses all labels
    )
    segment_fill: bool = (
        True  # all points of a segment get its class; false: labels that differ from it are removed, none is added
    )
    superpoint_cell_m: Annotated[float, Field(gt=0.0)] = 0.05  # superpoints are grown between cells of this size
    superpoint_angle_deg: Annotated[float, Field(gt=0.0)] = 15.0  # largest angle between normals of neighbours
    superpoint_colour: Annotated[float, Field(gt=0.0)] = (
        0.1  # largest difference between colours of neighbours, channels 0..1
    )
    superpixels: Annotated[int, Field(ge=1)] = 150  # SLIC segments of an image

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others."""
        superpoint = ("superpoint_cell_m", "superpoint_angle_deg", "superpoint_colour")
        of_words = ("lists", "lists_file", "keep_fraction", "class_quantile", "spread")
        return (
            (self.labels == "words", of_words, "with labels: words"),
            (self.lists != "none", ("lists_file",), "with lists: scene or frame"),
            (self.spread != "none", ("segment_purity", "segment_fill"), "with spread: superpoint or superpixel"),
            (self.spread == "superpoint", superpoint, "with spread: superpoint"),
            (self.spread == "superpixel", ("superpixels",), "with spread: superpixel"),
        )


class SpecialiseConfig(Config):
    """Stage 2: the adapter."""

    enabled: bool = True  # false: stage 3 learns from the unchanged image features
    reduction: int = 4
    mix: float = 0.05  # share of the input in the output
    logit_scale: float | None = None  # default: 1 for features of OpenSeg's length, 100 for unit length
    epochs: int = 80  # paper; the authors' code: 150
    batch_size: int = 16  # scenes; code: 24
    points_per_scene: int = 40000
    learning_rate: float = Field(default=0.003, ge=0.0)
    weight_decay: float = Field(default=4e-4, ge=0.0)
    decay_every: Annotated[int, Field(ge=1)] = 20  # epochs
    first_decay: Annotated[int, Field(ge=1)] | None = None  # epoch, counted from 0; default: decay_every; code: 19
    last_batch: Literal["smaller", "left_out"] = "smaller"  # of an epoch; code: left_out
    decay: float = 0.7


class GuideConfig(Config):
    """Stage 3: the 3D network."""

    max_steps: int = 30000
    batch_size: int = 4  # scenes
    learning_rate: float = Field(default=0.001, ge=0.0)
    power: float = 0.9  # exponent of the polynomial decay, applied at every step
    weight_decay: float = Field(default=0.0, ge=0.0)
    loss: Literal["cosine", "l1"] = "cosine"
    max_points: int = 400000  # per scene; a random choice if there are more
    target: Literal["mean", "first_point"] = (
        "mean"  # mean: of a voxel's points seen by a view; code: feature of its first point, if seen
    )
    shift_voxels: Annotated[int, Field(ge=0)] = (
        0  # each batch is shifted by 0 to this many voxels, less one, along each axis; code: 100
    )
    augment: Literal["indoor", "outdoor", "none"] = "indoor"
    hue: Annotated[float, Field(ge=0.0, le=0.5)] = (
        0.5  # largest hue shift indoors, as a share of the circle; 0 if hues distinguish classes
    )
    # a scene's embeddings are summed over this many random rotations and scales; 1 = once, unchanged; code: 5
    test_passes: Annotated[int, Field(ge=1)] = 1
    checkpoint_every: int = Field(default=500, ge=1)  # steps
    validate_every: int = 0  # steps; 0 = only the last weights
    select: Literal["last", "pseudo_labels", "validation_truth"] = (
        "last"  # the last two: best by that measure; the original uses the truth of the validation set
    )
    held_out_every: Annotated[int, Field(ge=2)] = 10  # select=pseudo_labels: every n-th training scene is held out

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others."""
        return (
            (self.augment == "indoor", ("hue",), "with augment: indoor"),
            (self.select != "last", ("validate_every",), "with select: pseudo_labels or validation_truth"),
            (self.select == "pseudo_labels", ("held_out_every",), "with select: pseudo_labels"),
        )


class SelfTrainingConfig(Config):
    """Further rounds of self-training: the network's answers on the training scenes become the next pseudo labels.

    Not in the paper.
    """

    rounds: Annotated[int, Field(ge=0)] = 0
    mode: Literal["ensemble", "3d"] = "ensemble"  # which answers become labels
    keep_fraction: _Share = 0.3  # share of each class's points in a scene that is kept, the most confident ones
    class_quantile: _Quantile | None = (
        None  # this quantile of a class's answer probabilities in all scenes is its threshold
    )
    update: Literal["anew", "fill"] = "anew"  # fill: labels of the previous round stay, answers label the other points

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others."""
        own = ("mode", "keep_fraction", "class_quantile", "update")
        return ((self.rounds > 0, own, "with rounds above 0"),)


class VlgConfig(RunConfig):
    """One run, with pseudo_labels/, adapter/, specialised/ and guide/ in its folder.

    A YAML file holds what differs from these defaults.

    `classes` are those of the truth, for scene lists derived from it and for evaluation.
    """

    train: tuple[EvenSource, ...]
    validation: tuple[EvenSource, ...] = ()
    vocabulary: str = "nuscenes16"  # a name in lidar_vl_core/words/vocabularies, or a .yaml file
    model: ImageModelConfig  # gives pixels features in the space of words
    extract: ExtractConfig = ExtractConfig()
    pseudo: PseudoLabelConfig = PseudoLabelConfig()
    specialise: SpecialiseConfig = SpecialiseConfig()
    guide: GuideConfig = GuideConfig()
    self_training: SelfTrainingConfig = SelfTrainingConfig()

    @property
    def features_folder(self) -> Path:
        """Folder of the image features."""
        return Path(self.extract.store or Path(self.out) / "features")

    @property
    def words(self) -> Vocabulary:
        """The vocabulary of the run; its classes other than sinks have the names of the class table."""
        return load_vocabulary(self.vocabulary)
