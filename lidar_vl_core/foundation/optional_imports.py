"""Packages that only an extra of the installation provides: checked before they are needed, and reported with that extra."""

from importlib.util import find_spec

from lidar_vl_core.foundation.errors import MissingExtra

_EXTRA_OF = {  # by what is imported; a package of several extras stands at the one it is needed for most
    **dict.fromkeys(
        ("torch", "lightning", "tensorboard", "safetensors", "skimage", "matplotlib", "onnxscript"), "train"
    ),
    **dict.fromkeys(("transformers", "timm", "torchvision", "huggingface_hub"), "vfm"),
    "open_clip": "language",
    "ray": "ray",
    "embreex": "synthetic",
    "rerun": "rerun",
}
TRAINING = tuple(name for name, extra in _EXTRA_OF.items() if extra == "train")


def require_packages(what: str, *modules: str, extra: str | None = None) -> None:
    """Raise MissingExtra where one of the modules cannot be imported; they are not imported by this check.

    what: needs them, for the message; extra: that brings them here, where several do.
    """
    missing = [module for module in modules if not _is_there(module)]
    if missing:
        raise _missing(what, missing, extra or _EXTRA_OF[missing[0]])


def missing_extra(what: str, error: ImportError) -> MissingExtra | None:
    """The message for a failed import where an extra provides the package; None for any other."""
    package = (error.name or "").partition(".")[0]
    return _missing(what, [package], _EXTRA_OF[package]) if package in _EXTRA_OF else None


def _missing(what: str, modules: list[str], extra: str) -> MissingExtra:
    found = f"found no package {', '.join(modules)}"
    return MissingExtra(f"{what}: needs the extra `{extra}`, {found}: pip install 'lidar-vl[{extra}]'")


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # ValueError: imported before, without its specification
        return False
