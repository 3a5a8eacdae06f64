"""Prompts, the words that points are asked for: when two are the same, and what is said when one is not known."""

from collections.abc import Sequence

from lidar_vl_core.foundation.errors import UnknownPrompt

_SHOWN_WORDS = 100


def same_words(prompt: str) -> str:
    """A prompt as tokenizers read it: case and the width of blanks do not matter."""
    return " ".join(prompt.lower().split())


def in_templates(prompts: Sequence[str], templates: Sequence[str]) -> list[str]:
    """The sentences of prompts, each in every template in turn."""
    return [template.replace("{}", prompt) for prompt in prompts for template in templates]


def unknown_prompt(missing: Sequence[str], known: Sequence[str], remedy: str) -> UnknownPrompt:
    """The error for words that are missing among those known."""
    more = f" and {len(known) - _SHOWN_WORDS} more" if len(known) > _SHOWN_WORDS else ""
    return UnknownPrompt(
        f"prompts: expected words of the text table: {', '.join(known[:_SHOWN_WORDS])}{more}; found "
        f"{', '.join(map(repr, missing))}. {remedy}"
    )
