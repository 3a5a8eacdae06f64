"""Text from files that ends in terminals, logs and reports: no characters that steer them, no length without end."""

import re

MOST_CHARACTERS = 300  # of something foreign inside an error

# Controls of C0 and C1, separators of lines and paragraphs, marks that turn the direction of what follows, halves of pairs.
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_IN_PROSE = "\t\n\r"


def steering_character(text: str, prose: bool = False) -> str | None:
    """The first character that steers a terminal instead of being seen, as its code; prose may have lines and tabs."""
    found = next((each for each in _STEERING.findall(text) if not (prose and each in _IN_PROSE)), None)
    return None if found is None else f"U+{ord(found):04X}"


def shortened(found: object) -> str:
    """Something foreign as it may stand in an error: one line, without such characters, of a bounded length."""
    text = str(found)[: 4 * MOST_CHARACTERS]
    text = " ".join(
        _STEERING.sub(lambda each: f"\\u{ord(each[0]):04x}" if each[0] not in _IN_PROSE else " ", text).split()
    )
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}..."
