"""Text in manifests and cards: names and sentences that can be printed as they are."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

# Controls of C0 and C1, separators of lines and paragraphs, marks that turn the direction of what follows, halves of pairs.
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_IN_PROSE = "\t\n\r"


def steering_character(text: str, prose: bool = False) -> str | None:
    """The first control character, as its code; prose may contain line breaks and tabs."""
    found = next((each for each in _STEERING.findall(text) if not (prose and each in _IN_PROSE)), None)
    return None if found is None else f"U+{ord(found):04X}"


def _plain_line(text: str) -> str:
    return _plain(text, prose=False)


def _plain_prose(text: str) -> str:
    return _plain(text, prose=True)


def _plain(text: str, prose: bool) -> str:
    steering = steering_character(text, prose)
    if steering is not None:
        raise ValueError(f"expected text without control characters, found {steering}")
    if text and not text.strip():
        raise ValueError("expected text, found only spaces")
    return text


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_plain_line)]
Prose = Annotated[str, Field(max_length=10_000), AfterValidator(_plain_prose)]  # lines and tabs are accepted
