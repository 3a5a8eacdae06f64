"""What engines read of a model package, wherever it lies; ModelPackage reads it from a folder."""

from pathlib import Path
from typing import Protocol

from lidar_vl_core.model_packages.language_spec import LanguageSpec
from lidar_vl_core.words.text_table import TextTable


class PackageContent(Protocol):
    """The files of a package, each proven by its hash. Every part raises BadModelPackage where it is not as it should be."""

    @property
    def path(self) -> Path:
        """Where it lies, for messages."""
        ...

    @property
    def language(self) -> LanguageSpec:
        """The text space of an embedding package; no other package has one."""
        ...

    def onnx_bytes(self) -> bytes:
        """The network."""
        ...

    def text_table(self) -> TextTable:
        """The prompts that an embedding package knows."""
        ...

    def text_encoder_bytes(self) -> bytes | None:
        """The text encoder, where the package has one."""
        ...

    def tokenizer_bytes(self) -> bytes | None:
        """The tokenizer, where the package has a text encoder."""
        ...

    def image_encoder_bytes(self) -> bytes | None:
        """The image encoder, where the package has one."""
        ...
