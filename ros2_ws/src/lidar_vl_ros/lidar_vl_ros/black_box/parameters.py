"""What a node is told of its black box."""

from pydantic import Field, model_validator

from lidar_vl_core.black_box.triggers import TriggerLimits
from lidar_vl_core.foundation.config import Config


class BlackBoxParameters(Config):
    """black_box.folder switches it on; a limit of 0 switches that trigger off."""

    folder: str = Field(
        "", description="Where the last seconds are recorded when something odd is seen; empty: nowhere"
    )
    seconds: float = Field(10.0, ge=1.0, le=300.0, description="What a recording holds")
    memory_mb: float = Field(
        500.0,
        ge=1.0,
        le=64_000.0,
        description="What is remembered at most, older seconds go first; twice that while a recording is written",
    )
    disk_mb: float = Field(
        5000.0, ge=2.0, le=1e8, description="All recordings in the folder together; the oldest go first"
    )
    min_free_mb: float = Field(
        500.0,
        ge=0.0,
        le=1e8,
        description="Nothing is recorded once no more than this is free on the disk; 0: never mind",
    )
    pause_s: float = Field(
        30.0, ge=0.0, le=86_400.0, description="From one recording to the next that nobody asked for"
    )
    clouds_in_a_row: int = Field(3, ge=1, le=1000, description="That must show a sign before it leads to a recording")
    min_probability: float = Field(
        0.4, ge=0.0, le=1.0, description="Low confidence: mean probability of the points with an answer below this"
    )
    max_disagreement: float = Field(
        0.5,
        ge=0.0,
        le=1.0,
        description="Ensemble: more of the points that both name are named differently by network and pictures",
    )
    max_novelty: float = Field(
        10.0,
        ge=0.0,
        le=1000.0,
        description="New statistics: classes, ranges or intensity so many standard deviations from the last minute",
    )
    max_flicker: float = Field(
        0.5, ge=0.0, le=1.0, description="Flicker: a larger share of the boxes vanish, or are there, for a single cloud"
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
        """As the core takes them."""
        return TriggerLimits(
            self.min_probability, self.max_disagreement, self.max_novelty, self.max_flicker, self.clouds_in_a_row
        )
