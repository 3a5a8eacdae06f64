"""The state a node was last commanded to, kept on disk while its process lives: one found at the start is left by a crash. Touches the disk."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from lidar_vl_core.foundation.processes.held_locks import take

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_MOST_BYTES = 1000


def state_folder() -> Path:
    """Where ROS keeps files that outlive a process: ROS_HOME, else ~/.ros."""
    return Path(os.environ.get("ROS_HOME") or Path.home() / ".ros") / "lidar_vl"


class CommandedState:
    """One file for each node name and ROS domain, locked by the node's process, removed when that exits normally."""

    def __init__(self, node_name: str, folder: Path) -> None:
        """node_name: fully qualified. If the folder cannot be written, or another process holds the file, nothing is kept."""
        domain = os.environ.get("ROS_DOMAIN_ID") or "0"
        self._path = folder / f"{domain}{node_name.replace('/', '.')}.json"
        self._descriptor: int | None = None
        self.left_by_crash: str | None = None  # label of a primary state
        self.problem = ""  # why nothing is kept
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            self.problem = f"the commanded state will not survive a crash: {error}"
            return
        if not take(self._descriptor):
            self._close()
            self.problem = f"the commanded state will not survive a crash: another node of this name holds {self._path}"
            return
        self.left_by_crash = _state_in(os.pread(self._descriptor, _MOST_BYTES, 0))

    def remember(self, label: str) -> None:
        """Store the state that was reached by command, such as "active"."""
        if self._descriptor is None:
            return
        content = json.dumps({"state": label, "boot": _boot_id()}).encode()
        with contextlib.suppress(OSError):  # a full disk keeps no node from serving
            os.pwrite(self._descriptor, content, 0)
            os.ftruncate(self._descriptor, len(content))

    def forget(self) -> None:
        """Remove the file: the process exits normally."""
        if self._descriptor is not None:
            self._path.unlink(missing_ok=True)
            self._close()

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None


def _state_in(content: bytes) -> str | None:
    """The state left by a crash since the machine was booted; None for anything else."""
    try:
        found: Any = json.loads(content)
    except ValueError:  # empty: the file is new
        return None
    if not isinstance(found, dict) or found.get("boot") != _boot_id():
        return None
    state = found.get("state")
    return state if state in ("unconfigured", "inactive", "active", "finalized") else None


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""
