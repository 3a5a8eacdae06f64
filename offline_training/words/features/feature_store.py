"""Features of scenes on the disk: one file per scene, a folder per identity. Touches the disk.

FOLDER/
  last.json -> the folder written last
  of-<configuration>.json    -> the folder of one configuration
  features-<identity>/ identity.json everything that determines the features: model, back-projection
    basis.npz if `components` are kept: mean, directions, share of the variance
    <scene>.npz
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zipfile import BadZipFile

import numpy as np

from lidar_vl_core.foundation.errors import BadDataset
from lidar_vl_core.foundation.files import atomic_writer, read_json, write_text
from offline_training.weak_labels.store.store_section import locked
from offline_training.words.features.feature_basis import FeatureBasis, checked_basis, feature_basis
from offline_training.words.features.feature_file import (
    DAMAGED,
    about_feature_file,
    has_coefficients,
    read_feature_file,
    write_feature_file,
)
from offline_training.words.scenes.scene_features import SceneFeatures

COMMAND = "lidar-vl-train extract-features"
_LAYOUT = 1  # of the folder; versions never read each other's files
_LONGEST_NAME = 200  # bytes; file systems allow 255
_BASIS_ROWS = 200_000  # number of rows the basis is fitted to, at most


class FeatureStore:
    """Features on disk, by the name of their scene."""

    def __init__(
        self, folder: Path, identity: Mapping[str, Any] | None = None, alias: str = "last", command: str = COMMAND
    ) -> None:
        """identity: everything that determines the features, as JSON; None opens what `alias` names, for reading.

        command: what fills this store, for errors. Raises BadDataset if there is nothing to read.
        """
        self._command, self._alias = command, alias
        self._store = Path(folder)
        self.identity = {**identity, "layout": _LAYOUT} if identity is not None else self._announced()
        text = json.dumps(self.identity, sort_keys=True)
        self.folder = self._store / f"features-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        self._basis: FeatureBasis | None = None

    def announce(self) -> None:
        """Record the store's identity, and make it the one that is read from now on."""
        write_text(self.folder / "identity.json", json.dumps(self.identity, indent=1, sort_keys=True) + "\n")
        for alias in {"last", self._alias}:
            write_text(self._store / f"{alias}.json", json.dumps({"folder": self.folder.name}) + "\n")

    def withdraw(self) -> None:
        """Stop reads through the alias until announce(): it may name features older than those being written."""
        (self._store / f"{self._alias}.json").unlink(missing_ok=True)

    def writing(self) -> AbstractContextManager[None]:
        """A lock held by writers; the first of them removes the remains of killed writers."""
        return locked(self._store)

    def path(self, name: str) -> Path:
        """The file of a scene."""
        readable = quote(name, safe=" ")
        if len(readable) > _LONGEST_NAME:
            readable = f"{readable[:_LONGEST_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
        return self.folder / f"{readable}.npz"

    def has(self, name: str) -> bool:
        """Whether a scene's file exists; read() and about() detect damage."""
        return self.path(name).is_file()

    def about(self, name: str) -> dict[str, Any] | None:
        """Views, counts and scene of a file, after checking its every byte; None for a missing or damaged one."""
        return about_feature_file(self.path(name))

    def write(self, name: str, features: SceneFeatures) -> int:
        """Store the features of a scene; returns their size in bytes. The folder may be announced before or after."""
        write_feature_file(self.path(name), features, self.basis)
        return self.path(name).stat().st_size

    def read(self, name: str) -> SceneFeatures:
        """The features of a scene. Raises BadDataset, naming the command to run, if they are missing or damaged."""
        try:
            return read_feature_file(self.path(name), self.basis)
        except FileNotFoundError as error:
            raise BadDataset(
                f"features of {name}: expected {self.path(name)}, found none. Run `{self._command}` for this data set."
            ) from error
        except (OSError, *DAMAGED) as error:
            raise BadDataset(
                f"features of {name}: expected a whole {self.path(name)}, found: {error}. Run `{self._command}` again: it "
                "replaces damaged files."
            ) from error

    @property
    def basis(self) -> FeatureBasis | None:
        """The basis of the store; None if features are kept in full, or there are not enough scenes yet.

        Raises BadDataset.
        """
        if self._basis is None:
            try:
                with np.load(self.folder / "basis.npz", allow_pickle=False) as stored:
                    self._basis = checked_basis(stored["mean"], stored["directions"], float(stored["explained"]))
            except FileNotFoundError:
                return None
            except (OSError, BadZipFile, ValueError, KeyError, EOFError) as error:
                raise BadDataset(
                    f"{self.folder / 'basis.npz'}: expected the basis of these features, found: {error}. Remove "
                    f"{self.folder} and run `{self._command}` again."
                ) from error
        return self._basis

    def fit_basis(self, names: Sequence[str], components: int) -> FeatureBasis:
        """Fit the basis to the scenes of these names, which are stored in full, and write it. Raises BadConfig."""
        per_scene = max(_BASIS_ROWS // max(len(names), 1), 1)
        basis = feature_basis((_some_rows(self.read(name).feature, per_scene) for name in names), components)
        self.keep_basis(basis)
        return basis

    def keep_basis(self, basis: FeatureBasis) -> None:
        """Store what is written from now on in this basis."""
        with atomic_writer(self.folder / "basis.npz") as handle:
            np.savez(handle, mean=basis.mean, directions=basis.directions, explained=np.array(basis.explained))
        self._basis = basis

    def compress(self, names: Sequence[str]) -> None:
        """Rewrite scenes that are stored in full in the basis, if there is one."""
        if self.basis is None:
            return
        for name in names:
            if self.has(name) and not has_coefficients(self.path(name)):
                self.write(name, self.read(name))

    def _announced(self) -> dict[str, Any]:
        try:
            folder = read_json(self._store / f"{self._alias}.json")["folder"]
            known = read_json(self._store / str(folder) / "identity.json")
            return dict(known)
        except FileNotFoundError as error:
            raise BadDataset(
                f"{self._store}: expected features of scenes, found none. Run `{self._command}` with this configuration."
            ) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadDataset(
                f"{self._store}: expected readable {self._alias}.json and identity.json, found: {error}. "
                f"Run `{self._command}` again."
            ) from error


def _some_rows(feature: np.ndarray, most: int) -> np.ndarray:
    """At most `most` rows, spread evenly over all."""
    return feature[:: -(-len(feature) // most)] if len(feature) else feature
