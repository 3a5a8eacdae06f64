"""Tokenizers of text encoders: sentences to rows of token numbers, as the encoder was trained to read them."""

import json
import re
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from lidar_vl_core.foundation.errors import BadModelPackage, UnknownPrompt
from lidar_vl_core.foundation.near_names import did_you_mean
from lidar_vl_core.words.clip_tokenizer import ClipTokenizer

_MOST_WORDS = 1_000_000
_WORD = re.compile(r"[a-z0-9]+")
_MARKS = re.compile(r"[.,;:!?'\"()/_-]+")  # at or between words they say nothing


class TextTokenizer(Protocol):
    """Anything that turns sentences into token numbers."""

    def tokens(self, sentences: Sequence[str]) -> np.ndarray:
        """(B, L) int64 of B sentences, 0 behind the end of each."""
        ...

    def require_known(self, sentences: Sequence[str]) -> None:
        """Raise UnknownPrompt for sentences that tokens() would refuse."""
        ...


class WordTokenizer:
    """One number for each known word of small letters and digits: 1 for the first of the list; 0 is padding."""

    def __init__(self, words: Sequence[str], context_length: int) -> None:
        self._id_of_word = {word: number for number, word in enumerate(words, 1)}
        self._context_length = context_length

    def tokens(self, sentences: Sequence[str]) -> np.ndarray:
        """(B, L) int64. Raises UnknownPrompt for a word that is not in the list, and for no or too many words."""
        tokens = np.zeros((len(sentences), self._context_length), np.int64)
        for row, sentence in zip(tokens, sentences, strict=True):
            words = _words(sentence)
            unknown = sorted({word for word in words if word not in self._id_of_word})
            if unknown:
                raise UnknownPrompt(
                    f"prompt {sentence!r}: expected words this text encoder was trained on: "
                    f"{', '.join(self._id_of_word)[:2000]}; found {', '.join(map(repr, unknown))}. Use words it knows."
                    f"{did_you_mean(unknown[0], self._id_of_word)}"
                )
            if not 1 <= len(words) <= self._context_length:
                raise UnknownPrompt(
                    f"prompt {sentence!r}: expected 1 to {self._context_length} words, found {len(words)}. Shorten or fill in the prompt."
                )
            row[: len(words)] = [self._id_of_word[word] for word in words]
        return tokens

    def require_known(self, sentences: Sequence[str]) -> None:
        """Raise what tokens() does."""
        self.tokens(sentences)


def _words(sentence: str) -> list[str]:
    """Small words without the marks around them; of what stands alone and is nothing but marks, the marks."""
    return [
        word
        for part in sentence.lower().split()
        for word in ([part] if not _MARKS.sub("", part) else _MARKS.split(part))
        if word
    ]


def open_tokenizer(kind: str, content: bytes | None, context_length: int) -> TextTokenizer:
    """The tokenizer of a package: "clip_bpe" (content: merges, gzip) or "words" (content: JSON with words and context_length).

    Raises BadModelPackage for content that is something else.
    """
    if kind == "clip_bpe" and content is not None:
        return ClipTokenizer(content, context_length)
    if kind != "words" or content is None:
        raise BadModelPackage(f"tokenizer: expected clip_bpe or words with its file, found {kind!r}. Export it again.")
    try:
        fields = json.loads(content.decode("utf-8"))
        words, length = fields["words"], fields["context_length"]
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise BadModelPackage(
            f"words.json: expected a JSON object of words and context_length, found: {error!r}. Export it again."
        ) from error
    known = isinstance(words, list) and all(isinstance(word, str) and _WORD.fullmatch(word) for word in words)
    if not known or not 0 < len(words) <= _MOST_WORDS or len(set(words)) != len(words) or length != context_length:
        raise BadModelPackage(
            f"words.json: expected different words of small letters and digits and a context length of {context_length}, "
            "found others. Export it again."
        )
    return WordTokenizer(words, context_length)
