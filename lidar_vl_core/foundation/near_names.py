"""The known name that was probably meant by an unknown one."""

import difflib
from collections.abc import Collection, Iterable


def near_name(found: object, known: Iterable[str]) -> str | None:
    """The most similar known name, None where none is similar."""
    by_letters = {_letters(name): name for name in known}
    near = difflib.get_close_matches(_letters(str(found)), by_letters, n=1, cutoff=0.6)
    return by_letters[near[0]] if near else None


def did_you_mean(found: object, known: Iterable[str]) -> str:
    """ " Did you mean NAME?" where a known name is similar, otherwise nothing; to be added to an error."""
    near = near_name(found, known)
    return "" if near is None else f" Did you mean {near}?"


def known_name(name: str, known: Collection[str]) -> str:
    """The name itself; raises ValueError listing the known names for an unknown one: for the keys of a configuration."""
    if name not in known:
        near = near_name(name, known)
        raise ValueError(f"expected one of {', '.join(known)}{'' if near is None else f' (did you mean {near}?)'}")
    return name


def _letters(name: str) -> str:
    """SemanticKITTI, semantic-kitti and semantic_kitti are one."""
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")
