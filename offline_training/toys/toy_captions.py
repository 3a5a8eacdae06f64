"""Captions of the toy worlds' regions, put together by chance out of what is true of them."""

from dataclasses import dataclass

import numpy as np

from offline_training.toys.toy_words import (
    COLOURS,
    HYPERNYMS,
    ROOM_NOTHING,
    ROOM_WORDS,
    STREET_NOTHING,
    STREET_WORDS,
    TEMPLATES,
)

NO_COLOUR = -1  # of a region whose colour has no clear name, and of a caption that names none
_NOUNS = {
    **{f"street/{name}": (name, words) for name, words in STREET_WORDS.items()},
    "street/": ("", STREET_NOTHING),
    **{f"room/{name}": (name, words) for name, words in ROOM_WORDS.items()},
    "room/": ("", ROOM_NOTHING),
}
KINDS = tuple(_NOUNS)  # of regions: world/class, world/ = no class
PHRASES = tuple(sorted({word for _, words in _NOUNS.values() for word in words} | HYPERNYMS.keys()))


def _phrase_is_true() -> np.ndarray:
    """(kinds, phrases) bool: of whose regions each phrase may be said."""
    true = np.zeros((len(KINDS), len(PHRASES)), bool)
    for kind, (name, words) in enumerate(_NOUNS.values()):
        said = [*words, *(hypernym for hypernym, members in HYPERNYMS.items() if name in members)]
        true[kind, [PHRASES.index(phrase) for phrase in said]] = True
    return true


IS_TRUE = _phrase_is_true()
_HYPERNYM_IDS = frozenset(PHRASES.index(hypernym) for hypernym in HYPERNYMS)


@dataclass(frozen=True)
class Captions:
    """One for each of R regions, in parts."""

    phrase: np.ndarray  # (R,) into PHRASES
    colour: np.ndarray  # (R,) into COLOURS, NO_COLOUR = not said
    sentences: tuple[str, ...]

    def also_fit(self, kind: np.ndarray, colour: np.ndarray) -> np.ndarray:
        """(Q, R) bool: may caption j be true of region i of this kind and colour, (Q,) each?

        A region whose colour has no clear name may be of any.
        """
        colour_fits = (
            (self.colour == NO_COLOUR)[None] | (colour == NO_COLOUR)[:, None] | (colour[:, None] == self.colour)
        )
        return IS_TRUE[kind][:, self.phrase] & colour_fits


def draw_captions(
    kind: np.ndarray, colour: np.ndarray, rng: np.random.Generator, hypernym_share: float, colour_share: float
) -> Captions:
    """A caption for each of R regions: a word for it, its colour in `colour_share` of those that have one, any template.

    kind, colour: (R,) into KINDS and COLOURS, NO_COLOUR where it has none.
    """
    phrase = np.array([_draw_phrase(each, rng, hypernym_share) for each in kind], np.int64)
    said = np.where(rng.random(len(kind)) < colour_share, colour, NO_COLOUR)
    return _written(phrase, said, rng)


def wrongly_coloured(captions: Captions, rng: np.random.Generator) -> Captions:
    """Those captions that say a colour, with any other: "blue car" for a red one."""
    coloured = captions.colour != NO_COLOUR
    other = rng.integers(1, len(COLOURS), size=int(coloured.sum()))
    return _written(captions.phrase[coloured], (captions.colour[coloured] + other) % len(COLOURS), rng)


def _written(phrase: np.ndarray, colour: np.ndarray, rng: np.random.Generator) -> Captions:
    """In any template each."""
    templates = rng.integers(len(TEMPLATES), size=len(phrase))
    sentences = tuple(
        TEMPLATES[template].replace("{}", coloured_phrase(PHRASES[noun], said))
        for template, noun, said in zip(templates, phrase, colour, strict=True)
    )
    return Captions(phrase, colour, sentences)


def coloured_phrase(phrase: str, colour: int) -> str:
    """Such as "red car"; the phrase alone for NO_COLOUR."""
    return phrase if colour == NO_COLOUR else f"{COLOURS[colour]} {phrase}"


def all_words() -> tuple[str, ...]:
    """Every word a caption can have, in alphabetical order."""
    sentences = [*PHRASES, *COLOURS, *(template.replace("{}", "") for template in TEMPLATES)]
    return tuple(sorted({word for sentence in sentences for word in sentence.split()}))


def _draw_phrase(kind: int, rng: np.random.Generator, hypernym_share: float) -> int:
    """One of the kind's own words, or in `hypernym_share` of the cases a hypernym where there is one."""
    true = np.flatnonzero(IS_TRUE[kind])
    is_hypernym = np.isin(true, list(_HYPERNYM_IDS))
    wanted = is_hypernym if is_hypernym.any() and rng.random() < hypernym_share else ~is_hypernym
    return int(rng.choice(true[wanted]))
