"""Text in manifests: names and sentences that may be printed as they are."""

from typing import Annotated

from pydantic import AfterValidator, Field

from lidar_vl_core.foundation.plain_text import steering_character


def _plain_line(text: str) -> str:
    return _plain(text, prose=False)


def _plain_prose(text: str) -> str:
    return _plain(text, prose=True)


def _plain(text: str, prose: bool) -> str:
    steering = steering_character(text, prose)
    if steering is not None:
        raise ValueError(f"expected text without control characters, found {steering}")
    if text and not text.strip():
        raise ValueError("expected text, found spaces alone")
    return text


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_plain_line)]
Prose = Annotated[str, Field(max_length=10_000), AfterValidator(_plain_prose)]  # lines and tabs are accepted
