"""The folder of built plans. Touches the disk.

A plan is compiled code, so it is never taken from a model package, which comes from elsewhere; only from this folder, which is
the user's own. Beside each `<key>.plan` a `<key>.json` says what it was built for and its SHA-256; it is written last.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from lidar_vl_core.engines.tensorrt.build_request import BuildRequest, Part
from lidar_vl_core.foundation.config import Config, validated
from lidar_vl_core.foundation.errors import BadConfig, EngineUnavailable
from lidar_vl_core.foundation.files import read_json, remove_stray_temporaries, write_bytes, write_text

FOLDER_VARIABLE = "LIDAR_VL_ENGINES"


class PlanNote(Config):
    """What is known about a plan without reading it."""

    request: BuildRequest
    inputs: dict[str, tuple[int | str, ...]]  # dimensions of each; names are those of request.rows
    plan_sha256: str
    layers: int
    model: str  # name of the package
    measured: str  # of what clouds the rows were measured, and the margin
    built: str  # date and duration


@dataclass(frozen=True)
class CachedPlan:
    """A plan in the folder."""

    folder: Path
    note: PlanNote

    @property
    def path(self) -> Path:
        """The plan itself."""
        return self.folder / f"{self.note.request.key}.plan"

    @property
    def runtime_cache(self) -> Path:
        """What TensorRT-RTX compiled of it for the GPU here; made by the first run."""
        return self.folder / f"{self.note.request.key}.runtime_cache"

    def content(self) -> bytes:
        """The plan. Raises EngineUnavailable where the file is gone or is not what was written."""
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise EngineUnavailable(
                f"{self.path}: expected a plan, found: {error}. Build it: `lidar-vl build-engine`."
            ) from error
        found = hashlib.sha256(content).hexdigest()
        if found != self.note.plan_sha256:
            raise EngineUnavailable(
                f"{self.path}: expected the plan that was written, SHA-256 {self.note.plan_sha256[:16]}..., found "
                f"{found[:16]}.... It is damaged: remove it, and build it again with `lidar-vl build-engine`."
            )
        return content


class PlanCache:
    """Built plans by what they were built for."""

    def __init__(self, folder: Path | None = None) -> None:
        """folder: default: that of LIDAR_VL_ENGINES, or one in the user's cache."""
        self.folder = folder or _default_folder()

    def find(self, request: BuildRequest) -> CachedPlan | None:
        """The plan of exactly this request, None where it has not been built."""
        note = self._note(self.folder / f"{request.key}.json")
        return None if note is None or note.request != request else CachedPlan(self.folder, note)

    def of_model(self, model_sha256: str, part: Part) -> list[CachedPlan]:
        """All plans of a model, the latest first."""
        notes = [(path.stat().st_mtime, self._note(path)) for path in self.folder.glob("*.json")]
        fitting = [
            (when, note)
            for when, note in notes
            if note is not None and (note.request.model_sha256, note.request.part) == (model_sha256, part)
        ]
        return [CachedPlan(self.folder, note) for _, note in sorted(fitting, key=lambda each: each[0], reverse=True)]

    def add(self, note: PlanNote, plan: bytes) -> CachedPlan:
        """Keep a plan, in place of an earlier one of the same request. Raises BadRequest where it cannot be written."""
        cached = CachedPlan(self.folder, note)
        remove_stray_temporaries(self.folder)
        cached.path.with_suffix(".json").unlink(missing_ok=True)  # no note tells of a plan that is just being replaced
        cached.runtime_cache.unlink(missing_ok=True)
        write_bytes(cached.path, plan)
        write_text(cached.path.with_suffix(".json"), note.model_dump_json(indent=1) + "\n")
        return cached

    def timing_cache(self, module: str, version: str) -> Path:
        """Measured times of kernels, which make the next build quicker."""
        return self.folder / f"{module}-{version}.timing_cache"

    @staticmethod
    def _note(path: Path) -> PlanNote | None:
        """None for a file that is not there, or is none of ours."""
        try:
            return validated(PlanNote, read_json(path), str(path))
        except (OSError, ValueError, BadConfig):
            return None


def _default_folder() -> Path:
    if named := os.environ.get(FOLDER_VARIABLE):
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "lidar_vl" / "engines"
