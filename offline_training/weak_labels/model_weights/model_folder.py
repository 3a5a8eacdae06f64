"""A vision model as a local folder: its files, their hash, and loading. Touches the disk, never the network."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lidar_vl_core.foundation.errors import BadConfig, BadModelPackage
from lidar_vl_core.foundation.files import read_json, sha256_of
from lidar_vl_core.foundation.optional_imports import missing_extra

if TYPE_CHECKING:
    import torch

RECORD = "download.json"  # where `lidar-vl-train download` writes what it fetched
_DECIDES = {".json", ".safetensors", ".txt", ".model"}  # settings, weights, vocabularies


@dataclass(frozen=True)
class ModelFolder:
    """config.json, model*.safetensors and preprocessing files, as transformers saves them."""

    path: Path

    def __post_init__(self) -> None:
        """Raise BadModelPackage if there is no such folder, or no weights as safetensors in it."""
        for name, pattern in (("config.json", "config.json"), ("*.safetensors", "*.safetensors")):
            if not any(self.path.glob(pattern)):
                raise BadModelPackage(
                    f"{self.path}: expected a model's folder with {name}, found none. Fetch one with "
                    f"`lidar-vl-train download MODEL --out {self.path}`, or set the folder it is in."
                )

    @cached_property
    def sha256(self) -> str:
        """Hash of names and contents of all files that determine the model's output."""
        digest = hashlib.sha256()
        for path in sorted(self.path.iterdir()):
            if path.is_file() and path.suffix in _DECIDES and path.name != RECORD:
                digest.update(f"{path.name} {sha256_of(path)}\n".encode())
        return digest.hexdigest()

    @property
    def model_type(self) -> str:
        """The architecture, as config.json names it. Raises BadModelPackage."""
        return str(self._json("config.json").get("model_type"))

    @property
    def revision(self) -> str | None:
        """The commit it was downloaded at; None for a folder not made by `lidar-vl-train download`.

        Raises BadModelPackage.
        """
        return self._json(RECORD).get("revision") if (self.path / RECORD).exists() else None

    def identity(self) -> dict[str, Any]:
        """Identity under which labels are stored: the content, not the location."""
        return {"type": self.model_type, "sha256": self.sha256, "revision": self.revision}

    def load(self, load: Callable[..., Any], **options: Any) -> Any:  # noqa: ANN401 - transformers' own classes
        """Call a `from_pretrained` on this folder. Raises BadModelPackage if it fails."""
        with self._told():
            return load(str(self.path), local_files_only=True, **options)

    def load_model(self, load: Callable[..., Any], device: "torch.device") -> Any:  # noqa: ANN401
        """A model from its safetensors, for inference. Raises BadModelPackage, also if weights are missing."""
        import torch

        with self._told():
            model, report = load(
                str(self.path),
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
                dtype=torch.float32,
            )
        if missing := sorted(report["missing_keys"]) + sorted(str(key) for key in report["mismatched_keys"]):
            raise BadModelPackage(
                f"{self.path}: expected weights for all of {type(model).__name__}, found no matching ones for "
                f"{', '.join(missing[:5])}. Download the model again."
            )
        return model.to(device).eval()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except ImportError as error:
            raise missing_extra(f"{self.path}", error) or BadModelPackage(
                f"{self.path}: expected a version of transformers that can load this model, found: {error}. Update it: pip "
                "install -U transformers."
            ) from error
        except Exception as error:  # transformers raises various errors for bad files
            raise BadModelPackage(
                f"{self.path}: expected a model that transformers can load, found: {error}. Download it again."
            ) from error

    def _json(self, name: str) -> dict[str, Any]:
        try:
            content = read_json(self.path / name)
        except (OSError, ValueError) as error:
            raise BadModelPackage(
                f"{self.path / name}: expected JSON, found: {error}. Download the model again."
            ) from error
        return content if isinstance(content, dict) else {}


def choose_device(name: str) -> "torch.device":
    """The torch device; "auto" is the first GPU, else the CPU. Raises BadConfig for an unavailable device."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise BadConfig(
            f"device: expected auto, cpu or a device of this machine, found {name!r}. Choose another device."
        ) from error
