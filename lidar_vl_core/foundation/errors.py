"""One error class per kind of input; every message says what was expected, what was found and what to do."""

import re
from collections import Counter
from collections.abc import Iterable

MOST_CHARACTERS = 1_500
_MOST_TEXTS = 100
_MOST_FOUND = 300  # characters
_CUT = " [...] "


class LidarVlError(Exception):
    """Base of all errors a user can cause; the command lines print it and exit with 2.

    Its text is one short line without control characters, whatever names from a file stand in it.
    """

    def __str__(self) -> str:
        return one_line(super().__str__())


class BadPointCloud(LidarVlError):
    """A point cloud message or array breaks its own header."""


class BadCloudFile(LidarVlError):
    """A point cloud file is not what its name says."""


class BadImage(LidarVlError):
    """An image message breaks its own header or cannot be decoded."""


class BadCalibration(LidarVlError):
    """Intrinsics or distortion cannot be used for a projection."""


class BadTransform(LidarVlError):
    """A rigid transform is missing, not rigid, or asked for at a time it is not known."""


class BadConfig(LidarVlError):
    """A configuration has an unknown key, a wrong type or a wrong value."""


class BadBag(LidarVlError):
    """A recording cannot be read, or lacks what was asked for."""


class BadModelPackage(LidarVlError):
    """A model package is incomplete, altered, or made for something else."""


class BadLabels(LidarVlError):
    """Labels or a class table do not fit the points or each other."""


class BadBoxes(LidarVlError):
    """Boxes hold NaN, sizes below zero, or arrays that do not belong together."""


class BadDataset(LidarVlError):
    """A data set folder lacks a file or holds a damaged one."""


class BadCheckpoint(LidarVlError):
    """A training checkpoint is damaged or belongs to another configuration."""


class EngineUnavailable(LidarVlError):
    """The requested inference engine cannot run here."""


class BadRequest(LidarVlError):
    """A command was asked for something that does not exist or is ambiguous."""


class BadTextTable(LidarVlError):
    """A text table is damaged, or does not fit the embeddings it should name."""


class UnknownPrompt(LidarVlError):
    """A word was requested that the text table does not know and nothing here can embed."""


class MissedLimit(LidarVlError):
    """A result was written, but a limit that was set for it does not hold."""


class MissingExtra(LidarVlError):
    """A Python package is needed that only an extra of the installation provides."""


class TooManyVoxels(BadPointCloud):
    """A cloud has more voxels than the engine was built for."""


def one_line(text: str, most: int = MOST_CHARACTERS) -> str:
    """The text in one line of at most so many characters; of what a terminal would act upon its escape, such as \\x1b.

    A long text keeps its beginning, which names the file, and its end, which says what to do.
    """
    text = _escaped(" ".join(_shortened(text, most).split()))
    return _shortened(text, most)


def shortened(found: object) -> str:
    """Foreign text as it may be quoted in an error: one line of at most 300 characters."""
    return one_line(str(found), _MOST_FOUND)


def without_numbers(error: Exception) -> str:
    """The text of an error that comes with every cloud, without the numbers that differ from one to the next."""
    return re.sub(r"-?\d[\d.]*(?:e[+-]?\d+)?(?= (?:s|ns)\b)|(?<=values from )\S+ to \S+", "#", str(error))


class ToldTexts(Counter[str]):
    """Warnings by how often each came; of endless different ones the first hundred, and how many more there were."""

    def tell(self, texts: Iterable[str]) -> None:
        """Count these texts."""
        for text in texts:
            is_new = text not in self and len(self) >= _MOST_TEXTS
            self["further messages with other problems" if is_new else text] += 1

    def lines(self) -> list[str]:
        """Each once, with how often it came where that was more than once."""
        return [text if count == 1 else f"{text} ({count} times)" for text, count in self.items()]


def _shortened(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    kept = max(most - len(_CUT), 0)
    tail = kept // 3
    return text[: kept - tail] + _CUT + text[len(text) - tail :]


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
