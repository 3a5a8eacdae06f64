"""The toy model's tokenizer: known words to numbers. Unknown ones are refused, for a bag of words knows nothing about them."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lidar_vl_core.errors import BadCheckpoint, BadRequest, UnknownPrompt

CONTEXT_LENGTH = 16  # words of a sentence
_WORD = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True)
class WordTokenizer:
    """Words by number from 1; 0 pads. Case and everything but letters and digits only separates."""

    words: tuple[str, ...]
    context_length: int = CONTEXT_LENGTH

    @classmethod
    def of(cls, sentences: Iterable[str]) -> "WordTokenizer":
        """One that knows every word of some sentences, in alphabetical order."""
        return cls(tuple(sorted({word for sentence in sentences for word in _split(sentence)})))

    @classmethod
    def read(cls, path: Path) -> "WordTokenizer":
        """From a words.json. Raises BadCheckpoint."""
        try:
            content = json.loads(path.read_bytes())
            words, length = tuple(content["words"]), content["context_length"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadCheckpoint(
                f"{path}: expected the words of a toy language model, found: {error!r}. Train it anew with "
                "`lidar-vl-train toy-language`."
            ) from error
        if not words or not all(isinstance(word, str) for word in words) or not isinstance(length, int) or length < 1:
            raise BadCheckpoint(f"{path}: expected a list of words and a context length, found others. Train it anew.")
        return cls(words, length)

    def to_json(self) -> str:
        """What `read` reads: token k is words[k - 1]."""
        return json.dumps({"words": self.words, "context_length": self.context_length}, indent=1)

    def __len__(self) -> int:
        """Number of tokens, padding included."""
        return len(self.words) + 1

    def __call__(self, sentences: Sequence[str]) -> np.ndarray:
        """(B, context_length) int64. Raises UnknownPrompt naming the words it knows, BadRequest for no or too many words."""
        number = {word: token for token, word in enumerate(self.words, start=1)}
        tokens = np.zeros((len(sentences), self.context_length), np.int64)
        for row, sentence in enumerate(sentences):
            found = _split(sentence)
            if unknown := sorted(set(found) - number.keys()):
                raise UnknownPrompt(
                    f"prompt {sentence!r}: expected words that the toy language model learned, found "
                    f"{', '.join(unknown)}. It knows {', '.join(self.words)}."
                )
            if not 1 <= len(found) <= self.context_length:
                raise BadRequest(
                    f"prompt {sentence!r}: expected 1 to {self.context_length} words, found {len(found)}. Change it."
                )
            tokens[row, : len(found)] = [number[word] for word in found]
        return tokens


def _split(sentence: str) -> list[str]:
    return _WORD.findall(sentence.lower())
