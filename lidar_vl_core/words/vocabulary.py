"""Vocabularies: the classes that a network with words looks for, and the words for them.

One YAML file each in lidar_vl_core/words/vocabularies, or anywhere else; training and robot read the same ones.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, field_validator, model_validator

from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.foundation.config import Config, load_named
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.words.prompts import same_words

FOLDER = Path(__file__).parent / "vocabularies"
IMAGENET_TEMPLATES = ("imagenet",)  # one name for the 80 sentences of CLIP, where the model that reads them is at hand
_Channel = Annotated[int, Field(ge=0, le=255)]
_Words = Annotated[str, Field(min_length=1, pattern=r"^\S(.*\S)?$")]  # no blanks around it


class VocabularyClass(Config):
    """One class; a point gets the class whose best prompt fits best."""

    name: _Words
    prompts: tuple[_Words, ...] = ()  # synonyms; nothing = the name itself
    sink: bool = False  # what no point may be labelled as, such as sky: it takes its points out of the answer
    templates: tuple[str, ...] | None = None  # of its prompts; nothing = the vocabulary's
    color_rgb: tuple[_Channel, _Channel, _Channel] | None = None  # nothing = chosen by the place in the list

    @field_validator("templates")
    @classmethod
    def _are_sentences(cls, templates: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if templates is None else _checked_templates(templates)

    @property
    def words(self) -> tuple[str, ...]:
        """The prompts, or the class name where there are none."""
        return self.prompts or (self.name,)


class Vocabulary(Config):
    """Classes by id, sinks last, so that answer ids are ids of `class_table`."""

    name: _Words
    classes: Annotated[tuple[VocabularyClass, ...], Field(min_length=1, max_length=IGNORE_ID)]
    templates: tuple[str, ...] = ("{}",)  # sentences around a prompt, or IMAGENET_TEMPLATES; embeddings are averaged

    @model_validator(mode="after")
    def _consistent(self) -> "Vocabulary":
        names = [each.name for each in self.classes]
        for kind, words in (("class", names), ("prompt", [same_words(prompt) for prompt in self.prompts])):
            if repeated := sorted({word for word in words if words.count(word) > 1}):
                raise ValueError(f"{kind} given twice: {', '.join(repeated)}")
        sinks = [each.sink for each in self.classes]
        if sinks != sorted(sinks) or all(sinks):
            raise ValueError("classes: at least one that is not a sink, and sinks after all others")
        _checked_templates(self.templates)
        return self

    @property
    def prompts(self) -> tuple[str, ...]:
        """Every prompt of every class, in the order of the classes."""
        return tuple(word for each in self.classes for word in each.words)

    @property
    def templates_of_prompt(self) -> tuple[tuple[str, ...], ...]:
        """The templates of each prompt, in the order of `prompts`."""
        return tuple(each.templates or self.templates for each in self.classes for _ in each.words)

    @property
    def class_of_prompt(self) -> np.ndarray:
        """(P,) int64 id of each prompt's class."""
        return np.repeat(np.arange(len(self.classes)), [len(each.words) for each in self.classes])

    @property
    def is_sink(self) -> np.ndarray:
        """(K,) bool, true for classes that only absorb answers."""
        return np.array([each.sink for each in self.classes])

    @property
    def class_table(self) -> ClassTable:
        """Names and colours of the classes that are not sinks."""
        named = [each for each in self.classes if not each.sink]
        colors = [each.color_rgb or _color(place) for place, each in enumerate(named)]
        return ClassTable(self.name, tuple(each.name for each in named), np.array(colors, np.uint8))


def _checked_templates(templates: tuple[str, ...]) -> tuple[str, ...]:
    sentences = all(template.count("{}") == 1 for template in templates)
    if not templates or not (sentences or templates == IMAGENET_TEMPLATES):
        raise ValueError("templates: each needs one {} for the prompt; or just imagenet, for CLIP's 80")
    return templates


def vocabulary_of_prompts(prompts: Sequence[str]) -> Vocabulary:
    """Each prompt a class of its own, as words of a command line or of a parameter say it, without blanks around them.

    Raises BadConfig for none at all, for one without a word, and for one that is there twice.
    """
    from lidar_vl_core.foundation.config import validated

    words = [prompt.strip() for prompt in prompts]
    if not words or not all(words):
        raise BadConfig(
            f"prompts: expected words to look for, found {[*prompts]}. Name something, or leave the option out."
        )
    alike = [same_words(word) for word in words]
    if repeated := sorted({word for word in alike if alike.count(word) > 1}):
        raise BadConfig(f"prompts: expected different words, found {', '.join(repeated)} twice. Name each once.")
    return validated(Vocabulary, {"name": "prompts", "classes": [{"name": word} for word in words]}, "prompts")


def load_vocabulary(name: str) -> Vocabulary:
    """The vocabulary of that name in lidar_vl_core/words/vocabularies, or of that YAML file. Raises BadConfig listing the names there are."""
    return load_named(Vocabulary, FOLDER, name, "vocabulary")


def vocabulary_names() -> tuple[str, ...]:
    """Names of the vocabularies included in this software."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def _color(place: int) -> tuple[int, int, int]:
    """A colour far from those of the places before it: hues a golden angle apart, three levels of brightness."""
    import colorsys

    red, green, blue = colorsys.hsv_to_rgb((place * 0.6180339887) % 1.0, 0.75, (0.9, 0.65, 0.8)[place % 3])
    return round(255 * red), round(255 * green), round(255 * blue)
