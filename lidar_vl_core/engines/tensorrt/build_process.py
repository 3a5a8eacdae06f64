"""A plan built by a child process: its progress, and why it failed if it did. Starts a process."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from lidar_vl_core.engines.tensorrt.build_request import BuildRequest
from lidar_vl_core.foundation import errors
from lidar_vl_core.foundation.errors import EngineUnavailable, LidarVlError

_CHILD = "lidar_vl_core.engines.tensorrt.build_child"
_LIBRARY = "libtensorrt_rtx.so"
_LAST_WORDS = 400  # characters of what a crashed child said

Progress = Callable[[str], None]  # told the name of each phase as it begins


@dataclass(frozen=True)
class BuiltPlan:
    """A plan and what the child process reported about it."""

    content: bytes
    layers: int


def build_plan(
    request: BuildRequest,
    model: bytes,
    timing_cache: Path | None = None,
    progress: Progress = lambda _phase: None,
    time_limit_s: float = 3600.0,
    command: tuple[str, ...] = (sys.executable, "-m", _CHILD),
) -> BuiltPlan:
    """Build a plan. Raises what the child raised, and EngineUnavailable where it crashed, was killed or took too long."""
    with tempfile.TemporaryDirectory(prefix="lidar_vl_build_") as scratch, _environment(Path(scratch)) as environment:
        folder = Path(scratch)
        (folder / "model.onnx").write_bytes(model)
        (folder / "request.json").write_text(request.model_dump_json())
        paths = [folder / "model.onnx", folder / "request.json", folder / "plan"]
        arguments = [*command, *map(str, paths), *([] if timing_cache is None else [str(timing_cache)])]
        with (folder / "stderr").open("w+b") as stderr:
            child = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=stderr, env=environment, text=True)  # noqa: S603
            limit = _TimeLimit(child, time_limit_s)
            said = _listen(child, progress)
            returned = child.wait()
            limit.cancel()
            if returned == 0 and "layers" in said and (folder / "plan").is_file():
                return BuiltPlan((folder / "plan").read_bytes(), int(str(said["layers"])))
            stderr.seek(0)
            last_words = " ".join(stderr.read().decode(errors="replace").split())[-_LAST_WORDS:]
        raise _failure(returned, said, last_words, limit)


class _TimeLimit:
    """Kills a child that takes too long."""

    def __init__(self, child: "subprocess.Popen[str]", seconds: float) -> None:
        self.seconds, self.passed, self._child = seconds, False, child
        self._timer = threading.Timer(seconds, self._kill)
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        self._timer.cancel()

    def _kill(self) -> None:
        self.passed = True
        self._child.kill()


def _listen(child: "subprocess.Popen[str]", progress: Progress) -> dict[str, object]:
    """All that the child told, but for its phases, which go to `progress` at once."""
    said: dict[str, object] = {}
    try:
        for line in child.stdout or ():
            try:
                told = json.loads(line)
            except ValueError:  # a library wrote to stdout
                continue
            if "phase" in told:
                said["phase"] = told["phase"]
                progress(str(told["phase"]))
            else:
                said |= told
    except BaseException:  # Ctrl-C: nobody waits for the plan any more
        child.kill()
        child.wait()
        raise
    return said


def _failure(returned: int, said: dict[str, object], last_words: str, limit: _TimeLimit) -> LidarVlError:
    if "error" in said:
        kind = getattr(errors, str(said.get("kind")), EngineUnavailable)
        return kind(str(said["error"])) if issubclass(kind, LidarVlError) else EngineUnavailable(str(said["error"]))
    during = f"while {str(said['phase']).lower()!r}" if "phase" in said else "at its start"
    words = f", its last output: {last_words}" if last_words else ""
    if limit.passed:
        found, advice = f"it took more than {limit.seconds:.0f} s", "Allow more time, or build on a faster machine."
    elif returned == -signal.SIGKILL:
        found, advice = (
            "the system killed it",
            "Usually that is for lack of memory: measure on fewer points, or free some memory.",
        )
    elif "bad_alloc" in last_words or "out of memory" in last_words.lower() or "MemoryError" in last_words:
        found, advice = "it ran out of memory", "Measure on fewer points, or free some memory."
    elif returned < 0:
        found = f"it crashed ({signal.Signals(-returned).name})"
        advice = "Try another version of TensorRT, or use engine fused."
    else:
        found, advice = f"it ended with {returned}", "Try another version of TensorRT, or use engine fused."
    return EngineUnavailable(f"building the plan: expected a plan, found that {found} {during}{words}. {advice}")


@contextmanager
def _environment(scratch: Path) -> Iterator[dict[str, str]]:
    """For the child: the library under the name without a version, which plugins look for and the wheel does not bring."""
    environment = dict(os.environ)
    library = _packed_library()
    if library is not None:
        (scratch / "libraries").mkdir()
        (scratch / "libraries" / _LIBRARY).symlink_to(library)
        earlier = environment.get("LD_LIBRARY_PATH")
        environment["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, [str(scratch / "libraries"), earlier]))
    yield environment


def _packed_library() -> Path | None:
    package = find_spec("tensorrt_rtx_libs")
    folders = package.submodule_search_locations if package is not None else None
    return next((path for folder in folders or () for path in Path(folder).glob(f"{_LIBRARY}.*")), None)
