"""The text tower of a package, run by ONNX Runtime: words in, unit vectors of the text space out."""

from collections.abc import Sequence

import numpy as np

from lidar_vl_core.engines.onnx_runtime import open_onnxruntime
from lidar_vl_core.foundation.errors import BadModelPackage
from lidar_vl_core.model_packages.language_spec import LanguageSpec
from lidar_vl_core.words.prompts import in_templates
from lidar_vl_core.words.text_table import unit_rows
from lidar_vl_core.words.tokenizer import TextTokenizer, open_tokenizer

_BATCH_SENTENCES = 64


class TextEncoder:
    """Embeds prompts as the package's table was embedded: in every template, each of unit length, averaged."""

    def __init__(self, onnx_bytes: bytes, tokenizer_bytes: bytes | None, spec: LanguageSpec, threads: int) -> None:
        """Raises BadModelPackage for files that cannot be run."""
        self._tokenizer: TextTokenizer = open_tokenizer(spec.tokenizer, tokenizer_bytes, spec.context_length)
        self._spec = spec
        try:
            self._session = open_onnxruntime(onnx_bytes, threads)
        except Exception as error:  # onnxruntime raises a class of its own for every cause
            raise _unusable(error) from error

    def embed(self, prompts: Sequence[str]) -> np.ndarray:
        """(P, C) float32 unit rows. Raises UnknownPrompt for words the tokenizer does not have, BadModelPackage."""
        tokens = self._tokenizer.tokens(in_templates(prompts, self._spec.templates))
        rows = [
            self._run(tokens[first : first + _BATCH_SENTENCES]) for first in range(0, len(tokens), _BATCH_SENTENCES)
        ]
        units = unit_rows(np.concatenate([np.zeros((0, self._spec.channels), np.float32), *rows]))
        mean = unit_rows(units.reshape(len(prompts), len(self._spec.templates), -1).mean(axis=1))
        if not np.isfinite(mean).all():
            broken = prompts[int(np.argmin(np.isfinite(mean).all(axis=1)))]
            raise _unusable(f"no direction for {broken!r}")
        return mean

    def _run(self, tokens: np.ndarray) -> np.ndarray:
        try:
            (rows,) = self._session.run(["embeddings"], {"tokens": tokens})
        except Exception as error:
            raise _unusable(error) from error
        if rows.shape != (len(tokens), self._spec.channels) or rows.dtype != np.float32:
            raise _unusable(f"{rows.shape} {rows.dtype}")
        return rows


def _unusable(found: object) -> BadModelPackage:
    return BadModelPackage(
        "text_encoder.onnx: expected a text tower from tokens (B, L) int64 to embeddings (B, C) float32, found: "
        f"{' '.join(str(found).split())[:300]}. Export the package again."
    )
