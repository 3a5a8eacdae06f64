"""Every prompt an embedding package knows, and those its text encoder can add."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.foundation.processes.fork_lock import ForkLock
from lidar_vl_core.model_packages.language_spec import TEXT_ENCODER
from lidar_vl_core.words.prompts import in_templates, same_words, unknown_prompt
from lidar_vl_core.words.text_table import TextTable
from lidar_vl_core.words.tokenizer import TextTokenizer, open_tokenizer
from lidar_vl_core.words.vocabulary import Vocabulary, vocabulary_of_prompts
from lidar_vl_core.words.vocabulary_table import text_table

if TYPE_CHECKING:
    from lidar_vl_core.engines.text_tower import TextEncoder
    from lidar_vl_core.model_packages.package import ModelPackage

_MOST_LEARNED = 20_000  # prompts that are kept: 40 MB at 512 channels
_NO_ENCODER = (
    "This package has no text encoder: use words it knows, or export it with a text encoder or with these words."
)


class PromptBook:
    """Embeddings by prompt, cached up to a limit. Thread-safe."""

    def __init__(self, package: "ModelPackage", threads: int = 1) -> None:
        """Raises BadModelPackage for a package that knows no words."""
        self.table = package.text_table()  # the package's own classes
        self._package = package
        self._threads = threads
        self._encoder: TextEncoder | None = None
        self._tokenizer: TextTokenizer | None = None
        self._rows = self._own_rows()
        self._lock = ForkLock()  # of the rows
        self._encoding = ForkLock()

    @property
    def known_prompts(self) -> tuple[str, ...]:
        """Prompts that need no text encoder."""
        return self.table.prompts

    @property
    def can_learn(self) -> bool:
        """Whether the package has a text encoder."""
        return TEXT_ENCODER in self._package.language.file_names

    def table_of(self, words: Vocabulary | Sequence[str]) -> TextTable:
        """The table of a vocabulary, or of prompts that are a class each; its templates are the package's.

        Raises UnknownPrompt for words that are neither in the table nor known to the text encoder, BadConfig for a list that is
        no vocabulary.
        """
        vocabulary = words if isinstance(words, Vocabulary) else vocabulary_of_prompts(words)
        with self._encoding:
            known, missing = self._looked_up(vocabulary)
            if missing:
                self._encoder = self._encoder or self._open_encoder()
                learned = self._encoder.embed(missing)
                self.learn(missing, learned)
                known |= _by_words(missing, learned)  # another thread's to_embed() may drop what was just learned
        rows = np.stack([known[same_words(prompt)] for prompt in vocabulary.prompts])
        own = self.table
        return text_table(vocabulary, rows, own.logit_scale, own.text_space, own.unknown_threshold)

    def to_embed(self, vocabulary: Vocabulary) -> tuple[str, ...]:
        """Prompts whose directions only the text encoder can tell, which is not asked yet: quick.

        Raises UnknownPrompt for words that it cannot read, and where there is none.
        """
        return self._looked_up(vocabulary)[1]

    def make_ready(self) -> None:
        """Open the tokenizer, so that to_embed() is quick the first time, too."""
        if self.can_learn:
            self._opened_tokenizer()

    def learn(self, prompts: Sequence[str], rows: np.ndarray) -> None:
        """Keep what the text encoder said of prompts: (P, C) float32 unit rows."""
        with self._lock:
            self._rows |= _by_words(prompts, rows)

    def _looked_up(self, vocabulary: Vocabulary) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
        """The known rows of a vocabulary by same_words(), and its other prompts. Raises as to_embed()."""
        with self._lock:
            missing = self._missing(vocabulary)
            # Only for new words: what was just learned is still to be asked for.
            if missing and len(self._rows) > len(self.known_prompts) + _MOST_LEARNED:
                self._rows = self._own_rows()  # what is asked for again is learned again
                missing = self._missing(vocabulary)
            words = {same_words(prompt) for prompt in vocabulary.prompts}
            known = {word: self._rows[word] for word in words & self._rows.keys()}
        if missing:
            if not self.can_learn:
                raise unknown_prompt(missing, self.known_prompts, _NO_ENCODER)
            self._opened_tokenizer().require_known(in_templates(missing, self._package.language.templates))
        return known, missing

    def _missing(self, vocabulary: Vocabulary) -> tuple[str, ...]:
        return tuple(prompt for prompt in vocabulary.prompts if same_words(prompt) not in self._rows)

    def _own_rows(self) -> dict[str, np.ndarray]:
        return _by_words(self.table.prompts, self.table.embeddings)

    def _opened_tokenizer(self) -> TextTokenizer:
        if self._tokenizer is None:
            spec = self._package.language
            self._tokenizer = open_tokenizer(spec.tokenizer, self._package.tokenizer_bytes(), spec.context_length)
        return self._tokenizer

    def _open_encoder(self) -> "TextEncoder":
        from lidar_vl_core.engines.text_tower import TextEncoder

        content = self._package.text_encoder_bytes() or b""  # with none, to_embed() has refused
        return TextEncoder(content, self._package.tokenizer_bytes(), self._package.language, self._threads)


def _by_words(prompts: Sequence[str], rows: np.ndarray) -> dict[str, np.ndarray]:
    return {same_words(prompt): row for prompt, row in zip(prompts, rows, strict=True)}
