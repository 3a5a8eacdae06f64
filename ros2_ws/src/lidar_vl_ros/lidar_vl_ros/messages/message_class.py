"""Message types by name, where their package is installed."""

import importlib
from typing import Any


def message_class(type_name: str) -> Any | None:  # noqa: ANN401
    """The class of `package/msg/Type`, or None where that package is not installed."""
    package, _, name = type_name.replace("/msg/", "/").partition("/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name, None)
    except ImportError:
        return None
