"""A folder as a list: the object of a given name in each of its modules. Imports those modules."""

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")


def folder_members(folder: ModuleType, name: str, member_type: type[T]) -> tuple[T, ...]:
    """`name` of every module of a folder that has it, in the order of the modules' names.

    So a new data set or method is one new file, and no list beside it has to be kept. Raises TypeError where a module has
    another thing of that name.
    """
    members: list[T] = []
    for found in pkgutil.iter_modules(folder.__path__, f"{folder.__name__}."):
        member = getattr(importlib.import_module(found.name), name, None)
        if member is None:
            continue
        if not isinstance(member, member_type):
            raise TypeError(
                f"{found.name}.{name}: expected {member_type.__name__}, found {type(member).__name__}. Rename it."
            )
        members.append(member)
    return tuple(members)


def by_name(members: Iterable[T], name_of: Callable[[T], str]) -> dict[str, T]:
    """The members by the names they give themselves. Raises TypeError where two have one: the other would never be used."""
    named: dict[str, T] = {}
    for member in members:
        name = name_of(member)
        if name in named:
            raise TypeError(f"{type(member).__name__}: expected names of their own, found two of {name!r}. Rename one.")
        named[name] = member
    return named
