"""What submissions of all benchmarks share: which data sets they need, what nuScenes is told, one new folder and its zip. Writes files."""

import sys
import zipfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lidar_vl_core.foundation.errors import BadConfig, BadRequest
from lidar_vl_core.foundation.files import atomic_writer
from lidar_vl_core.foundation.result_folder import result_folder
from offline_training.datasets.base.source_config import FramesSource, SourceConfig
from offline_training.datasets.data_sources import DataSource
from offline_training.datasets.lidar.nuscenes import NuScenesSource

INPUTS = ("camera", "lidar", "radar", "map", "external")  # what a nuScenes submission says it used
_NUSCENES_SETS = ("train", "val", "test", "mini_train", "mini_val")
_SAMPLES = {"train": 28130, "val": 6019, "test": 6008, "mini_train": 323, "mini_val": 81}  # key frames of these sets
_SET_OF_VERSION = {"v1.0-test": "test", "v1.0-mini": "mini_val"}


@dataclass(frozen=True)
class Submission:
    """The files that were written."""

    path: Path  # the zip
    samples: int
    official_samples: int | None  # of the split the server judges; None where there is no such split

    def __str__(self) -> str:
        told = f"submission: {self.path}, {self.samples} samples"
        if self.official_samples in (None, self.samples):
            return told
        return f"{told}\nnote: the server wants exactly the {self.official_samples} samples of its split"


def require_new(out: Path) -> None:
    """Raise BadRequest unless the folder is new or empty and there is no zip beside it."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadRequest(f"{out}: expected a new or an empty folder, found one with files. Choose another folder.")
    if zip_of(out).exists():
        raise BadRequest(f"{zip_of(out)}: expected no earlier submission, found one. Choose another --out.")


def require_benchmark(benchmark: str, known: Collection[str]) -> None:
    """Raise BadRequest for a server that is not known."""
    if benchmark not in known:
        raise BadRequest(f"benchmark: expected {' or '.join(known)}, found {benchmark!r}.")


def require_classes(checkpoint_path: Path, found: str, wanted: str, benchmark: str) -> None:
    """Raise BadConfig unless the network's classes are those of the server."""
    if found != wanted:
        raise BadConfig(
            f"{checkpoint_path}: expected a network of the classes {wanted} for {benchmark}, found {found}. "
            f"Train with classes: {wanted}."
        )


def require_whole(sources: tuple[DataSource, ...], wanted: type[SourceConfig], benchmark: str) -> None:
    """Raise BadConfig unless there are data sets of the benchmark's kind, with all of their frames."""
    if not sources or any(not isinstance(source, wanted) or not _is_whole(source) for source in sources):
        found = [_told(source) for source in sources]
        raise BadConfig(
            f"validation: expected whole data sets of kind {wanted.kind_name()} for {benchmark}, found {', '.join(found) or 'none'}. "
            "Name those to predict under `validation`, without label_skip and frames."
        )


def require_inputs(uses: Iterable[str]) -> tuple[str, ...]:
    """What nuScenes is told of the inputs. Raises BadRequest for what it does not ask."""
    told = tuple(uses)
    if unknown := [name for name in told if name not in INPUTS]:
        raise BadRequest(f"uses: expected some of {', '.join(INPUTS)}, found {', '.join(unknown)}.")
    return told


def nuscenes_set(source: NuScenesSource) -> str:
    """The name of the official set that a source is."""
    if source.split in _NUSCENES_SETS:
        return source.split
    return _SET_OF_VERSION.get(source.version, "val")


def nuscenes_samples(source: NuScenesSource) -> int:
    """How many key frames the official set has that a source is."""
    return _SAMPLES[nuscenes_set(source)]


@contextmanager
def submission_folder(out: Path) -> Iterator[Path]:
    """Give a temporary neighbour of `out` to fill, which takes its place once all is there, packed into `out`.zip. Raises BadRequest."""
    with result_folder(out, ()) as staged:
        yield staged
        _pack(staged, zip_of(out))


def zip_of(out: Path) -> Path:
    """Where the packed folder lies."""
    return out.with_name(f"{out.name}.zip")


def with_progress(count: int) -> Iterable[int]:
    """0 to count - 1, with a bar where somebody watches."""
    from tqdm import tqdm

    return tqdm(range(count), desc="scans", disable=not sys.stderr.isatty())


def _is_whole(source: DataSource) -> bool:
    return source.label_skip == 1 and not _frames(source)


def _frames(source: DataSource) -> int:
    """How many are named."""
    return len(source.frames or ()) if isinstance(source, FramesSource) else 0


def _told(source: DataSource) -> str:
    named = f", {_frames(source)} frames" if _frames(source) else ""
    return f"{source.kind} (label_skip {source.label_skip}{named})"


def _pack(folder: Path, path: Path) -> None:
    """The folder as a zip with an entry for each folder, which SemanticKITTI's validator asks for."""
    with atomic_writer(path) as handle, zipfile.ZipFile(handle, "w", zipfile.ZIP_DEFLATED) as packed:
        for entry in sorted(folder.rglob("*")):
            packed.write(entry, entry.relative_to(folder))
