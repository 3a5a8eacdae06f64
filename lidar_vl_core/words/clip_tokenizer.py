"""CLIP's tokenizer (Radford et al. 2021, section 2.4): byte-pair encoding of lower-cased text, from its list of merges."""

import gzip
import html
import re
import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np

from lidar_vl_core.foundation.errors import BadModelPackage

_MERGES = 48_894  # of the published list: 49,408 tokens less 2 x 256 bytes and two marks
_MAX_BYTES = 64_000_000
_END_OF_WORD = "</w>"
_MARKS = ("<start_of_text>", "<end_of_text>")
_FIXED = re.compile(rf"{'|'.join(_MARKS)}|'(?:s|t|re|ve|m|ll|d)", re.IGNORECASE)

# What the text of the encoder's training went through: quotes straightened, wide forms and ligatures taken apart,
# characters without a shape removed, Windows' characters told from control codes. Wrongly decoded text stays as it is.
_QUOTES = {"'": "\u02bc\u2018\u2019\u201a\u201b", '"': "\u201c\u201d\u201e\u201f"}
_LIGATURES = "\u0132\u0133\u0149\u01c4\u01c5\u01c6\u01c7\u01c8\u01c9\u01ca\u01cb\u01cc\u01f1\u01f2\u01f3\ufb00\ufb01\ufb02\ufb03\ufb04\ufb06"
_WIDE = (0x3000, *range(0xFF01, 0xFFF0))
_SHAPELESS = (*range(0x09), 0x0B, *range(0x0E, 0x20), 0x7F, *range(0x206A, 0x2070), 0xFEFF, *range(0xFFF9, 0xFFFD))
_NOT_IN_CP1252 = (0x81, 0x8D, 0x8F, 0x90, 0x9D)
_STRAIGHT = str.maketrans({curled: straight for straight, curls in _QUOTES.items() for curled in curls})
_REPLACED: dict[int, str | None] = {
    **_STRAIGHT,
    **{code: unicodedata.normalize("NFKC", chr(code)).translate(_STRAIGHT) for code in (*map(ord, _LIGATURES), *_WIDE)},
    **{
        code: bytes([code]).decode("cp1252").translate(_STRAIGHT)
        for code in range(0x80, 0xA0)
        if code not in _NOT_IN_CP1252
    },
    **dict.fromkeys(_SHAPELESS),
    0xFB05: "\u017ft",
}


class ClipTokenizer:
    """Token numbers as CLIP's text tower reads them: start, pieces of words, end, zeros."""

    def __init__(self, merges_gz: bytes, context_length: int) -> None:
        """merges_gz: gzip of a heading line and one merge, two pieces, a line. Raises BadModelPackage for other content."""
        merges = _read_merges(merges_gz)
        letters = list(_character_of_byte().values())
        pieces = [*letters, *(letter + _END_OF_WORD for letter in letters), *(a + b for a, b in merges), *_MARKS]
        self._id_of_piece = {piece: number for number, piece in enumerate(pieces)}
        self._rank = {pair: rank for rank, pair in enumerate(merges)}
        self._context_length = context_length
        self._pieces_of_word: dict[str, tuple[int, ...]] = {mark: (self._id_of_piece[mark],) for mark in _MARKS}

    def tokens(self, sentences: Sequence[str]) -> np.ndarray:
        """(B, L) int64; a sentence that is too long is cut and still ends with the end mark."""
        start, end = (self._id_of_piece[mark] for mark in _MARKS)
        tokens = np.zeros((len(sentences), self._context_length), np.int64)
        for row, sentence in zip(tokens, sentences, strict=True):
            numbers = [start, *(number for word in _words(_cleaned(sentence)) for number in self._encode(word)), end]
            row[: len(numbers)] = numbers[: self._context_length]
            if len(numbers) > self._context_length:
                row[-1] = end
        return tokens

    def require_known(self, sentences: Sequence[str]) -> None:
        """Nothing: every text has a spelling in bytes, and a long one is cut."""

    def _encode(self, word: str) -> tuple[int, ...]:
        if word not in self._pieces_of_word:
            letters = [_character_of_byte()[byte] for byte in word.encode()]
            letters[-1] += _END_OF_WORD
            self._pieces_of_word[word] = tuple(self._id_of_piece[piece] for piece in self._merged(letters))
        return self._pieces_of_word[word]

    def _merged(self, pieces: list[str]) -> list[str]:
        """Join the pair that was learned first, wherever it stands, until no learned pair is left."""
        while len(pieces) > 1:
            closed = False
            best = min(pairwise(pieces), key=lambda pair: self._rank.get(pair, len(self._rank)))
            if best not in self._rank:
                break
            joined: list[str] = []
            for piece in pieces:
                if joined and (joined[-1], piece) == best and not closed:
                    joined[-1] += piece
                    closed = True  # what was just joined joins no third piece
                else:
                    joined.append(piece)
                    closed = False
            pieces = joined
        return pieces


def _read_merges(merges_gz: bytes) -> list[tuple[str, str]]:
    try:
        unpacked = zlib.decompressobj(wbits=31).decompress(merges_gz, _MAX_BYTES)
        lines = unpacked.decode("utf-8").split("\n")[1 : _MERGES + 1]
    except (zlib.error, gzip.BadGzipFile, ValueError) as error:
        raise BadModelPackage(
            f"bpe_merges.txt.gz: expected gzip-compressed merges of a byte-pair encoding, found: {error}. Export it again."
        ) from error
    pairs = [tuple(line.split()) for line in lines if line.strip()]
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise BadModelPackage("bpe_merges.txt.gz: expected two pieces per line, found something else. Export it again.")
    return [(pair[0], pair[1]) for pair in pairs]


@lru_cache(maxsize=1)
def _character_of_byte() -> dict[int, str]:
    """A visible character for every byte, in the order of the first 256 tokens: visible ones stand for themselves."""
    visible = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = sorted(set(range(256)) - set(visible))
    return {byte: chr(byte) for byte in visible} | {byte: chr(256 + place) for place, byte in enumerate(hidden)}


def _cleaned(sentence: str) -> str:
    text = unicodedata.normalize("NFC", html.unescape(sentence).translate(_REPLACED))
    return " ".join(html.unescape(text).split()).lower()


def _words(text: str) -> Iterator[str]:
    """Runs of letters, single digits, runs of what is neither, and English endings such as 's; no blanks."""
    place = 0
    while place < len(text):
        fixed = _FIXED.match(text, place)
        kind, end = _kind(text[place]), place + 1
        if fixed:
            end = fixed.end()
        elif kind in "LO":
            while end < len(text) and _kind(text[end]) == kind:
                end += 1
        if fixed or kind != " ":
            yield text[place:end]
        place = end


def _kind(character: str) -> str:
    """L letter, N digit, O other, or a blank."""
    if character.isspace():
        return " "
    category = unicodedata.category(character)[0]
    return category if category in "LN" else "O"
