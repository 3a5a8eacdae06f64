"""Which stages of a run are done, with what they found: a stage whose settings are the same is not done again. Touches the disk."""

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lidar_vl_core.foundation.errors import BadRequest, LidarVlError
from lidar_vl_core.foundation.files import read_json, write_text

_RECORDINGS = "recordings.json"


class Ledger:
    """Stages in their order; each is written, whole, when it is done."""

    def __init__(self, folder: Path, stages: int, say: Callable[[str], None]) -> None:
        self._folder, self._stages, self._say = folder, stages, say
        self._number = 0
        self._settings: list[Any] = []  # of all stages so far: a stage rests on those before
        self.seconds: dict[str, float] = {}  # of each stage, when it was done

    def require_same_recordings(self, identity: Any) -> None:  # noqa: ANN401  JSON
        """Raise BadRequest where the folder holds something else, or was made from other recordings; a run would mix the two."""
        path = self._folder / _RECORDINGS
        before = self._read(path)
        before = before if isinstance(before, dict) else None
        others = sorted(each.name for each in self._folder.parent.glob("*") if each != self._folder)
        if before is None and others:
            raise BadRequest(
                f"{self._folder.parent}: expected a new folder, or one of an earlier `from-bags`, found {others[0]} there. "
                "Choose another --out."
            )
        if before is not None and before != _as_json(identity):
            raise BadRequest(
                f"{self._folder.parent}: expected a new folder, or results of the same recordings, found results of "
                f"{', '.join(before)} as they were then. Choose another --out, or remove this folder."
            )
        write_text(path, json.dumps(identity))

    def stage(
        self,
        name: str,
        settings: Any,  # noqa: ANN401  JSON
        work: Callable[[], dict[str, Any]],
        is_there: Callable[[dict[str, Any]], bool] = lambda _: True,
    ) -> dict[str, Any]:
        """What a stage found: of an earlier run where all settings until here are the same, else by its work.

        is_there: whether the files that it made before, as found, are still there.
        Raises BadRequest in one line: which stage, what is wrong, and what to do; an interruption passes as it is.
        """
        self._number += 1
        self._settings.append([name, settings])
        told = f"[{self._number}/{self._stages}] {name}"
        path = self._folder / f"{self._number}_{name.replace(' ', '_')}.json"
        digest = hashlib.sha256(json.dumps(self._settings, sort_keys=True, default=str).encode()).hexdigest()
        if (before := _done_before(self._read(path), digest)) is not None and is_there(before[1]):
            self._say(f"{told}: done before")
            self.seconds[name], found = before
            return found
        self._say(told)
        started = time.monotonic()
        try:
            found = work()
        except LidarVlError as error:
            raise BadRequest(
                f"stage {self._number} of {self._stages}, {name}: {error} Then run the same command again: it resumes at this stage."
            ) from error
        self.seconds[name] = round(time.monotonic() - started, 1)
        write_text(
            path, json.dumps({"settings_sha256": digest, "seconds": self.seconds[name], "found": found}, indent=1)
        )
        return found

    @staticmethod
    def _read(path: Path) -> Any:  # noqa: ANN401  JSON
        """The content of a file, None where there is none or it is damaged: its stage is done again."""
        try:
            return read_json(path)
        except (OSError, ValueError):
            return None


def _done_before(stored: Any, digest: str) -> tuple[float, dict[str, Any]] | None:  # noqa: ANN401  JSON
    """Seconds and findings of a stage that was done with these settings; None for anything else, which is damage."""
    if not isinstance(stored, dict) or stored.get("settings_sha256") != digest:
        return None
    seconds, found = stored.get("seconds"), stored.get("found")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not isinstance(found, dict):
        return None
    return float(seconds), found


def _as_json(value: Any) -> Any:  # noqa: ANN401
    return json.loads(json.dumps(value))
