"""Every prompt an embedding package knows, and those its text encoder can still learn."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.foundation.processes.fork_lock import ForkLock
from lidar_vl_core.words.prompts import same_words, unknown_prompt
from lidar_vl_core.words.text_table import TextTable
from lidar_vl_core.words.vocabulary import Vocabulary, vocabulary_of_prompts
from lidar_vl_core.words.vocabulary_table import text_table

if TYPE_CHECKING:
    from lidar_vl_core.engines.text_tower import TextEncoder
    from lidar_vl_core.model_packages.package import ModelPackage

_MOST_LEARNED = 20_000  # prompts that are kept: 40 MB at 512 channels
_NO_ENCODER = "This package has no text encoder: ask for words it has, or export it with one or with these words."


class PromptBook:
    """Directions by prompt; keeps what was embedded, up to a number. May be asked from several threads."""

    def __init__(self, package: "ModelPackage", threads: int = 1) -> None:
        """Raises BadModelPackage for a package that knows no words."""
        self.table = package.text_table()  # the package's own classes
        self._package = package
        self._threads = threads
        self._encoder: TextEncoder | None = None
        self._rows = self._own_rows()
        self._lock = ForkLock()

    @property
    def known_prompts(self) -> tuple[str, ...]:
        """Prompts that need no text encoder."""
        return self.table.prompts

    def table_of(self, words: Vocabulary | Sequence[str]) -> TextTable:
        """The table of a vocabulary, or of prompts that are a class each; its templates are the package's.

        Raises UnknownPrompt for words that are neither in the table nor known to the text encoder, BadConfig for a list that is
        no vocabulary.
        """
        vocabulary = words if isinstance(words, Vocabulary) else vocabulary_of_prompts(words)
        with self._lock:
            if len(self._rows) > len(self.known_prompts) + _MOST_LEARNED:
                self._rows = self._own_rows()  # what is asked for again is learned again
            missing = [prompt for prompt in vocabulary.prompts if same_words(prompt) not in self._rows]
            if missing:
                self._learn(missing)
            rows = np.stack([self._rows[same_words(prompt)] for prompt in vocabulary.prompts])
        own = self.table
        return text_table(vocabulary, rows, own.logit_scale, own.text_space, own.unknown_threshold)

    def _own_rows(self) -> dict[str, np.ndarray]:
        return {same_words(word): row for word, row in zip(self.table.prompts, self.table.embeddings, strict=True)}

    def _learn(self, prompts: Sequence[str]) -> None:
        if self._encoder is None:
            self._encoder = self._open_encoder(prompts)
        rows = self._encoder.embed(prompts)
        self._rows |= {same_words(prompt): row for prompt, row in zip(prompts, rows, strict=True)}

    def _open_encoder(self, prompts: Sequence[str]) -> "TextEncoder":
        content = self._package.text_encoder_bytes()
        if content is None:
            raise unknown_prompt(prompts, self.known_prompts, _NO_ENCODER)
        from lidar_vl_core.engines.text_tower import TextEncoder

        return TextEncoder(content, self._package.tokenizer_bytes(), self._package.language, self._threads)
