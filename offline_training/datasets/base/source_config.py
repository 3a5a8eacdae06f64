"""The keys of a data source: those of all data sets, and those that several have. A data set's own stand in its module."""

from pathlib import Path

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from lidar_vl_core.foundation.config import Config
from lidar_vl_core.foundation.near_names import near_name

Names = tuple[str, ...] | None  # of sequences, scenes, frames; None = all


class SourceConfig(Config):
    """One data set of a run. Each data set has a child with its keys; keys that it would not read are refused."""

    model_config = ConfigDict(extra="allow")  # to be refused with the keys there are

    kind: str
    folder: str = Field(description="the data set's folder")
    weight: float = Field(default=1.0, gt=0, description="how often it is drawn, relative to the weights of the others")
    label_skip: int = Field(
        default=1, description="keep every n-th frame, starting with the first; 100 = 1 % of the labels"
    )

    @model_validator(mode="after")  # a check before would turn JSON into Python's types, where a list is no tuple
    def _refuse_keys_that_do_nothing(self) -> "SourceConfig":
        if self.model_extra:
            known = ", ".join(key for key in type(self).model_fields if key != "kind")
            told = f"expected only the keys {known} for kind {self.kind}, found {', '.join(self.model_extra)}"
            if near := near_name(next(iter(self.model_extra)), type(self).model_fields):
                told += f" (did you mean {near}?)"
            raise PydanticCustomError("unknown_keys", "{told}", {"told": told})
        return self

    @classmethod
    def kind_name(cls) -> str:
        """The `kind` of these sources."""
        return cls.model_fields["kind"].default

    @property
    def title(self) -> str:
        """What tables call it."""
        return f"{self.kind} {Path(self.folder).name}"


class FramesSource(SourceConfig):
    """Source of a data set whose frames can be chosen."""

    frames: Names = Field(default=None, description="names of frames; default: all")


class SequencesSource(FramesSource):
    """Source of a data set that lies in sequences, scenes or folders of its own."""

    sequences: Names = Field(default=None, description="sequences, scenes or folders of the data set; default: all")


class SplitSource(SequencesSource):
    """Source of a data set with official splits."""

    split: str | None = Field(default=None, description="an official split, in place of sequences")


class LabelFieldSource(FramesSource):
    """Source of recorded clouds whose label field and table must be given."""

    label_field: str | None = Field(default=None, description="field of the clouds that holds the truth")
    label_table: str | None = Field(default=None, description="label table of its ids")
