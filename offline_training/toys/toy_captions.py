"""Captions of the toy worlds' regions, composed at random of statements that are true of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from offline_training.toys.toy_plain_words import NOTHING as PLAIN_NOTHING
from offline_training.toys.toy_plain_words import PLAIN_WORDS
from offline_training.toys.toy_words import (
    COLOURS,
    HYPERNYMS,
    ROOM_NOTHING,
    ROOM_WORDS,
    STREET_NOTHING,
    STREET_WORDS,
    TEMPLATES,
)

NO_COLOUR = -1  # for a region without a clear colour name, and a caption that names none
_NOUNS = {
    **{f"street/{name}": (name, words) for name, words in STREET_WORDS.items()},
    "street/": ("", STREET_NOTHING),
    **{f"room/{name}": (name, words) for name, words in ROOM_WORDS.items()},
    "room/": ("", ROOM_NOTHING),
    **{f"plain/{name}": ("", described.phrases[1:]) for name, described in PLAIN_WORDS.items()},
    "plain/": ("", PLAIN_NOTHING),
}
KINDS = tuple(_NOUNS)  # of regions: world/class, world/ = no class
_LANGUAGES = (
    {"street", "room"},
    {"plain"},
)  # worlds that share a language: a model trained in one learns the words of all
_FAMILIES = {f"plain/{name}": described.family for name, described in PLAIN_WORDS.items()}
DEFINITIONS = {f"plain/{name}": (name, described.definition) for name, described in PLAIN_WORDS.items()}
PHRASES = tuple(sorted({word for _, words in _NOUNS.values() for word in words} | {*HYPERNYMS, *_FAMILIES.values()}))


def _hypernyms_of(kind: str) -> tuple[str, ...]:
    """Phrases that are true of a kind of region and of other kinds."""
    name = _NOUNS[kind][0]
    family = (_FAMILIES[kind],) if kind in _FAMILIES else ()
    return (*family, *(hypernym for hypernym, members in HYPERNYMS.items() if name in members))


def _phrase_is_true() -> np.ndarray:
    """(kinds, phrases) bool: whether a phrase is true of the regions of a kind."""
    true = np.zeros((len(KINDS), len(PHRASES)), bool)
    for number, (kind, (_, words)) in enumerate(_NOUNS.items()):
        true[number, [PHRASES.index(phrase) for phrase in (*words, *_hypernyms_of(kind))]] = True
    return true


IS_TRUE = _phrase_is_true()
_HYPERNYM_IDS = frozenset(PHRASES.index(hypernym) for hypernym in (*HYPERNYMS, *_FAMILIES.values()))


@dataclass(frozen=True)
class Captions:
    """One caption for each of R regions, in parts."""

    phrase: np.ndarray  # (R,) into PHRASES
    colour: np.ndarray  # (R,) into COLOURS, NO_COLOUR = not named
    sentences: tuple[str, ...]

    def also_fit(self, kind: np.ndarray, colour: np.ndarray) -> np.ndarray:
        """(Q, R) bool: whether caption j may be true of region i of this kind and colour, (Q,) each.

        A region without a clear colour name may have any.
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
    """The captions that name a colour, with a wrong one: "blue car" for a red one."""
    coloured = captions.colour != NO_COLOUR
    other = rng.integers(1, len(COLOURS), size=int(coloured.sum()))
    return _written(captions.phrase[coloured], (captions.colour[coloured] + other) % len(COLOURS), rng)


def _written(phrase: np.ndarray, colour: np.ndarray, rng: np.random.Generator) -> Captions:
    """The captions as sentences, each in a random template."""
    phrases = [coloured_phrase(PHRASES[noun], said) for noun, said in zip(phrase, colour, strict=True)]
    return Captions(phrase, colour, _in_templates(phrases, rng))


def coloured_phrase(phrase: str, colour: int) -> str:
    """A phrase with its colour, such as "red car"; the phrase alone for NO_COLOUR."""
    return phrase if colour == NO_COLOUR else f"{COLOURS[colour]} {phrase}"


def kinds_of(worlds: Collection[str]) -> np.ndarray:
    """(K,) into KINDS: all kinds of regions of some worlds and of worlds that share their language."""
    spoken = set[str]().union(*(language for language in _LANGUAGES if language & set(worlds)))
    return np.array([number for number, kind in enumerate(KINDS) if kind.split("/")[0] in spoken], np.int64)


def all_words(worlds: Collection[str]) -> tuple[str, ...]:
    """Every word that can occur in a caption of some worlds or in their dictionary, in alphabetical order."""
    kinds = [KINDS[kind] for kind in kinds_of(worlds)]
    said = [phrase for kind in kinds for phrase in (*_NOUNS[kind][1], *_hypernyms_of(kind), *DEFINITIONS.get(kind, ()))]
    sentences = [*said, *COLOURS, *(template.replace("{}", "") for template in TEMPLATES)]
    return tuple(sorted({word for sentence in sentences for word in sentence.split()}))


@dataclass(frozen=True)
class Dictionary:
    """Names of classes that occur in no caption, and their meanings, as sentences."""

    names: tuple[str, ...]
    definitions: tuple[str, ...]
    same: np.ndarray  # (D, D) bool: names of one meaning


def draw_dictionary(worlds: Collection[str], rng: np.random.Generator) -> Dictionary:
    """Every dictionary entry of some worlds, names and meanings each in a random template; None if captions use the names."""
    entries = [DEFINITIONS[KINDS[kind]] for kind in kinds_of(worlds) if KINDS[kind] in DEFINITIONS]
    names, meanings = (tuple(entry[side] for entry in entries) for side in (0, 1))
    same = np.array([[one == other for other in meanings] for one in meanings], bool).reshape(len(names), len(names))
    return Dictionary(_in_templates(names, rng), _in_templates(meanings, rng), same)


def _in_templates(phrases: Sequence[str], rng: np.random.Generator) -> tuple[str, ...]:
    templates = rng.integers(len(TEMPLATES), size=len(phrases))
    return tuple(TEMPLATES[template].replace("{}", phrase) for template, phrase in zip(templates, phrases, strict=True))


def _draw_phrase(kind: int, rng: np.random.Generator, hypernym_share: float) -> int:
    """One of the kind's own words, or with probability `hypernym_share` a hypernym if there is one."""
    true = np.flatnonzero(IS_TRUE[kind])
    is_hypernym = np.isin(true, list(_HYPERNYM_IDS))
    wanted = is_hypernym if is_hypernym.any() and rng.random() < hypernym_share else ~is_hypernym
    return int(rng.choice(true[wanted]))
