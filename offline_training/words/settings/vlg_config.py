"""What a run of 3DSS-VLG is made of: one configuration for all its stages, which find each other's results under `out`."""

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

    # truth: the true class of every point that a view sees, to know the most that an adapter could learn
    labels: Literal["words", "truth"] = "words"
    lists: Literal["scene", "frame", "none"] = "scene"  # whose class lists restrict the answers; none = no restriction
    lists_file: str | None = None  # JSON: scene name -> class names; nothing = derived from the labels of the data set
    keep_fraction: _Share = 1.0  # of each class's points in a scene, the surest; DBGroup: 0.3
    class_quantile: _Quantile | None = (
        None  # of its probabilities in all scenes: the least that a class's points must have
    )
    spread: Literal["none", "superpoint", "superpixel"] = "none"  # one class per segment, by majority
    segment_purity: Annotated[float, Field(ge=0.0, le=1.0)] = (
        0.0  # least share of a segment's labelled points that its majority must be, or all lose their labels
    )
    segment_fill: bool = (
        True  # all points of a segment get its class; false: labels that differ from it go, none is added
    )
    superpoint_cell_m: Annotated[float, Field(gt=0.0)] = 0.05  # superpoints are grown between cells of this size
    superpoint_angle_deg: Annotated[float, Field(gt=0.0)] = 15.0  # most between normals of neighbours
    superpoint_colour: Annotated[float, Field(gt=0.0)] = 0.1  # most between colours of neighbours, channels 0..1
    superpixels: Annotated[int, Field(ge=1)] = 150  # SLIC segments of a picture

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

    enabled: bool = True  # false: stage 3 learns from the image features as they are
    reduction: int = 4
    mix: float = 0.05  # share of the input in the output
    logit_scale: float | None = None  # nothing = 1 for features as OpenSeg has them, 100 for those of unit length
    epochs: int = 80  # paper; the authors' code: 150
    batch_size: int = 16  # scenes; code: 24
    points_per_scene: int = 40000
    learning_rate: float = Field(default=0.003, ge=0.0)
    weight_decay: float = Field(default=4e-4, ge=0.0)
    decay_every: Annotated[int, Field(ge=1)] = 20  # epochs
    first_decay: Annotated[int, Field(ge=1)] | None = None  # epoch, counted from 0; nothing = decay_every; code: 19
    last_batch: Literal["smaller", "left_out"] = "smaller"  # of an epoch; code: left_out
    decay: float = 0.7


class GuideConfig(Config):
    """Stage 3: the 3D network."""

    max_steps: int = 30000
    batch_size: int = 4  # scenes
    learning_rate: float = Field(default=0.001, ge=0.0)
    power: float = 0.9  # of the polynomial decay; every step has its own rate
    weight_decay: float = Field(default=0.0, ge=0.0)
    loss: Literal["cosine", "l1"] = "cosine"
    max_points: int = 400000  # per scene, a random choice where there are more
    target: Literal["mean", "first_point"] = (
        "mean"  # of a voxel's points that some view sees; code: of the first, if seen
    )
    shift_voxels: Annotated[int, Field(ge=0)] = 0  # each batch by 0 to this many, less one, along each axis; code: 100
    augment: Literal["indoor", "outdoor", "none"] = "indoor"
    hue: Annotated[float, Field(ge=0.0, le=0.5)] = (
        0.5  # of the circle, at most, indoor; 0 where hues tell classes apart
    )
    # of a scene when the network is asked: its embeddings summed over so many random turns and scales; 1 = once as it stands; code: 5
    test_passes: Annotated[int, Field(ge=1)] = 1
    checkpoint_every: int = Field(default=500, ge=1)  # steps
    validate_every: int = 0  # steps; 0 = only the last weights
    select: Literal["last", "pseudo_labels", "validation_truth"] = (
        "last"  # the last two: best by that measure; the original looks at the validation's truth
    )
    held_out_every: Annotated[int, Field(ge=2)] = (
        10  # select=pseudo_labels: every n-th training scene is not trained on
    )

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others."""
        return (
            (self.augment == "indoor", ("hue",), "with augment: indoor"),
            (self.select != "last", ("validate_every",), "with select: pseudo_labels or validation_truth"),
            (self.select == "pseudo_labels", ("held_out_every",), "with select: pseudo_labels"),
        )


class SelfTrainingConfig(Config):
    """Further rounds: the network's answers on the training scenes are the next pseudo labels. Not in the paper."""

    rounds: Annotated[int, Field(ge=0)] = 0
    mode: Literal["ensemble", "3d"] = "ensemble"  # whose answers
    keep_fraction: _Share = 0.3  # of each class's points in a scene, the surest
    class_quantile: _Quantile | None = None  # of its answers' probabilities in all scenes: a class's threshold
    update: Literal["anew", "fill"] = "anew"  # fill: labels of the round before stay, answers go where there are none

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others."""
        own = ("mode", "keep_fraction", "class_quantile", "update")
        return ((self.rounds > 0, own, "with rounds above 0"),)


class VlgConfig(RunConfig):
    """One run, with pseudo_labels/, adapter/, specialised/ and guide/ in its folder. A YAML file holds what differs from these defaults.

    `classes` are those of the truth, for scene lists derived from it and for evaluation.
    """

    train: tuple[EvenSource, ...]
    validation: tuple[EvenSource, ...] = ()
    vocabulary: str = "nuscenes16"  # a name in lidar_vl_core/words/vocabularies, or a .yaml file
    model: ImageModelConfig  # what gives pixels features in the space of words
    extract: ExtractConfig = ExtractConfig()
    pseudo: PseudoLabelConfig = PseudoLabelConfig()
    specialise: SpecialiseConfig = SpecialiseConfig()
    guide: GuideConfig = GuideConfig()
    self_training: SelfTrainingConfig = SelfTrainingConfig()

    @property
    def features_folder(self) -> Path:
        """Where the image features lie."""
        return Path(self.extract.store or Path(self.out) / "features")

    @property
    def words(self) -> Vocabulary:
        """The classes asked for; those that are no sinks have the names of the class table."""
        return load_vocabulary(self.vocabulary)
