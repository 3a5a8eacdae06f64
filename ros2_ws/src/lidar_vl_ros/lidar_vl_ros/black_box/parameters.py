"""Parameters of a node's black box."""

from pydantic import Field, model_validator

from lidar_vl_core.black_box.triggers import TriggerLimits
from lidar_vl_core.foundation.config import Config


class BlackBoxParameters(Config):
    """black_box.folder switches it on; a limit of 0 switches that trigger off."""

    folder: str = Field(
        "", description="Folder for recordings of the last seconds before something unusual; empty: nothing is recorded"
    )
    seconds: float = Field(10.0, ge=1.0, le=300.0, description="Length of a recording")
    memory_mb: float = Field(
        500.0,
        ge=1.0,
        le=64_000.0,
        description="Most memory for the last seconds, the oldest dropped first; twice as much while a recording is written",
    )
    disk_mb: float = Field(
        5000.0, ge=2.0, le=1e8, description="Most space for all recordings in the folder; the oldest are deleted first"
    )
    min_free_mb: float = Field(
        500.0,
        ge=0.0,
        le=1e8,
        description="Stop recording once free disk space falls to this; 0: no limit",
    )
    pause_s: float = Field(
        30.0,
        ge=0.0,
        le=86_400.0,
        description="Shortest pause between recordings that a trigger starts; a request does not wait",
    )
    clouds_in_a_row: int = Field(
        3, ge=1, le=1000, description="Clouds in a row that must show a sign before it starts a recording"
    )
    min_probability: float = Field(
        0.4, ge=0.0, le=1.0, description="Low confidence: the mean probability of the labelled points is below this"
    )
    max_disagreement: float = Field(
        0.5,
        ge=0.0,
        le=1.0,
        description="Ensemble: network and images disagree on more than this share of the points that both label",
    )
    max_novelty: float = Field(
        10.0,
        ge=0.0,
        le=1000.0,
        description="New statistics: classes, ranges or intensity are this many standard deviations from the last minute's",
    )
    max_flicker: float = Field(
        0.5,
        ge=0.0,
        le=1.0,
        description="Flicker: more than this share of the boxes appear or vanish for a single cloud",
    )

    @model_validator(mode="after")
    def _a_recording_fits_the_disk(self) -> "BlackBoxParameters":
        if self.disk_mb < self.memory_mb + 2.0:
            raise ValueError(
                f"disk_mb: expected at least memory_mb + 2 = {self.memory_mb + 2:g}, as one recording must fit, found {self.disk_mb:g}"
            )
        return self

    @property
    def limits(self) -> TriggerLimits:
        """The limits as the core takes them."""
        return TriggerLimits(
            self.min_probability, self.max_disagreement, self.max_novelty, self.max_flicker, self.clouds_in_a_row
        )
