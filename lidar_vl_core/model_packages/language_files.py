"""The files beside the network of an embedding package, written and checked: text table, text encoder, image encoder."""

from dataclasses import dataclass

from lidar_vl_core.foundation.errors import BadModelPackage, shortened
from lidar_vl_core.model_packages.language_spec import (
    IMAGE_ENCODER,
    TEXT_ENCODER,
    TEXT_TABLE,
    TOKENIZER_FILES,
    LanguageSpec,
)
from lidar_vl_core.words.text_table import TextTable
from lidar_vl_core.words.text_table_file import text_table_bytes, text_table_of_bytes


@dataclass(frozen=True)
class LanguageFiles:
    """Content of a package's language files, to be written."""

    table: TextTable
    text_encoder: bytes | None = None  # ONNX: "tokens" (B, L) int64 -> "embeddings" (B, C) float32
    tokenizer: bytes | None = None  # the merges of a byte-pair encoding, gzip; or words.json
    image_encoder: bytes | None = (
        None  # ONNX: "image" (1, 3, H, W) float32, RGB 0..1 -> "features" (1, C, h, w) float32
    )

    def content(self, spec: LanguageSpec) -> dict[str, bytes]:
        """File name -> content. Raises BadModelPackage unless it is exactly what the manifest lists."""
        given = {
            TEXT_TABLE: text_table_bytes(self.table),
            TEXT_ENCODER: self.text_encoder,
            TOKENIZER_FILES.get(spec.tokenizer, "a tokenizer file"): self.tokenizer,
            IMAGE_ENCODER: self.image_encoder,
        }
        content = {name: data for name, data in given.items() if data is not None}
        if set(content) != spec.file_names:
            raise BadModelPackage(
                f"language: expected {', '.join(sorted(spec.file_names))} for tokenizer {spec.tokenizer} and image size "
                f"{spec.image_size}, found {', '.join(sorted(content))}. Give these files, or correct the manifest."
            )
        return content


def fitting_text_table(content: bytes, spec: LanguageSpec, origin: str) -> TextTable:
    """The text table of a package. Raises BadTextTable, or BadModelPackage where it belongs to another text space."""
    table = text_table_of_bytes(content, origin)
    expected = (spec.text_space, spec.channels, spec.logit_scale)
    found = (table.text_space, table.channels, table.logit_scale)
    if expected != found:
        raise BadModelPackage(
            f"{origin}: expected, from the manifest, (text space, channels, logit scale) = {expected}, found {found}. "
            "Make the table with the text encoder that the network was trained with."
        )
    return table


def require_encoder(content: bytes, inputs: set[str], outputs: set[str], origin: str) -> None:
    """Raise BadModelPackage unless content is an ONNX model with these inputs and outputs and all weights inside."""
    from lidar_vl_core.sparse_model.model_file import read_model

    model = read_model(content, origin)
    weights = {tensor.name for tensor in model.graph.initializer}
    found = ({each.name for each in model.graph.input} - weights, {each.name for each in model.graph.output})
    if found != (inputs, outputs):
        raise BadModelPackage(
            f"{origin}: expected inputs {sorted(inputs)} and outputs {sorted(outputs)}, found "
            f"{shortened(sorted(found[0]))} and {shortened(sorted(found[1]))}. Export it with these names."
        )
