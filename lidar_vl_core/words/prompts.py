"""Prompts, the words to look for: when two are equal, and the error for unknown ones."""

from collections.abc import Sequence

from lidar_vl_core.foundation.errors import UnknownPrompt

_SHOWN_WORDS = 100


def same_words(prompt: str) -> str:
    """A prompt as tokenizers read it: case and the amount of whitespace do not matter."""
    return " ".join(prompt.lower().split())


def in_templates(prompts: Sequence[str], templates: Sequence[str]) -> list[str]:
    """The sentences of prompts, each in every template in turn."""
    return [template.replace("{}", prompt) for prompt in prompts for template in templates]


def unknown_prompt(missing: Sequence[str], known: Sequence[str], remedy: str) -> UnknownPrompt:
    """The error for unknown words."""
    more = f" and {len(known) - _SHOWN_WORDS} more" if len(known) > _SHOWN_WORDS else ""
    return UnknownPrompt(
        f"prompts: expected words of the text table: {', '.join(known[:_SHOWN_WORDS])}{more}; found "
        f"{', '.join(map(repr, missing))}. {remedy}"
    )
