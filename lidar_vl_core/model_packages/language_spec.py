"""The text space in the manifest of an embedding package, and the names of the files that belong to it."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lidar_vl_core.foundation.config import Config
from lidar_vl_core.model_packages.manifest_text import Name

TEXT_TABLE = "text_table.npz"
TEXT_ENCODER, IMAGE_ENCODER = "text_encoder.onnx", "image_encoder.onnx"
TOKENIZER_FILES = {"clip_bpe": "bpe_merges.txt.gz", "words": "words.json"}
LANGUAGE_FILES = frozenset({TEXT_TABLE, TEXT_ENCODER, IMAGE_ENCODER, *TOKENIZER_FILES.values()})
_Side = Annotated[int, Field(ge=1, le=8192)]


class LanguageSpec(Config):
    """The text space of a network that answers with embeddings, and how words are embedded in it."""

    text_space: Name  # name of the text encoder; tables of another one do not fit
    channels: Annotated[int, Field(ge=1, le=8192)]  # C, width of the space
    logit_scale: Annotated[float, Field(gt=0, le=1e6)]
    templates: Annotated[tuple[Name, ...], Field(min_length=1, max_length=1000)] = (
        "{}",
    )  # sentences around a prompt, averaged
    tokenizer: Literal["none", "clip_bpe", "words"] = "none"  # none: no text encoder, only the table's words
    context_length: Annotated[int, Field(ge=0, le=4096)] = 0  # tokens of a sentence; 0 only without a tokenizer
    image_size: tuple[_Side, _Side] | None = None  # height, width of the image encoder's input; none: no such encoder

    @model_validator(mode="after")
    def _consistent(self) -> "LanguageSpec":
        if any(template.count("{}") != 1 for template in self.templates):
            raise ValueError("templates: each is a sentence with one {} for the prompt")
        if (self.tokenizer == "none") != (self.context_length == 0):
            raise ValueError("context_length: the length of a sentence with a tokenizer, 0 without one")
        return self

    @property
    def file_names(self) -> frozenset[str]:
        """Files of a package with this language, beside those every package has."""
        names = {TEXT_TABLE}
        if self.tokenizer != "none":
            names |= {TEXT_ENCODER, TOKENIZER_FILES[self.tokenizer]}
        if self.image_size is not None:
            names.add(IMAGE_ENCODER)
        return frozenset(names)
