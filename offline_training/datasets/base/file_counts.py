"""How much of a data set lies on the disk: files of each sort by sequence, and what its splits lack."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from offline_training.datasets.base.data_set_spec import Splits
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.datasets.base.source_config import SourceConfig

WRONG = "wrong: "  # how findings begin that end the check


def sequences_root(folder: Path) -> Path:
    """`folder/sequences` where there is one, else the folder itself."""
    return folder / "sequences" if (folder / "sequences").is_dir() else folder


@dataclass(frozen=True)
class FileCounts:
    """Counts files by their names: the `counts` of a DataSetSpec.

    patterns: of each sort, below the root; their first * is the sequence, and `scans` must be among them.
    """

    patterns: Mapping[str, str]
    root: Callable[[Path], Path] = sequences_root

    def __call__(self, source: SourceConfig, dataset: SampleSource, splits: Splits) -> Iterator[str]:
        """A line for each sequence, then one for each official split."""
        root = self.root(Path(source.folder))
        yield from self.by_sequence(root)
        yield from split_counts(splits, _by_sequence(root, self.patterns["scans"]))

    def by_sequence(self, root: Path) -> Iterator[str]:
        """A line for each sequence with the number of its files of each sort."""
        counts = {what: _by_sequence(root, pattern) for what, pattern in self.patterns.items()}
        for sequence in sorted(set().union(*counts.values())):
            told = ", ".join(f"{what} {counts[what][sequence]:,}" for what in counts if counts[what][sequence])
            yield f"{sequence}: {told}"


def split_counts(splits: Splits, there: Collection[str]) -> Iterator[str]:
    """A line for each official split: how many of its parts are there. `there`: the names of sequences or scenes."""
    for split, parts in splits.items():
        missing = [part for part in parts if part not in there]
        lacks = f", without {', '.join(missing[:3])}{' ...' if len(missing) > 3 else ''}" if missing else ""
        yield f"split {split}: {len(parts) - len(missing)} of {len(parts)}{lacks}"


def lacking_scans(lacking: Sequence[str], listed: int, table: str) -> Iterator[str]:
    """A finding where a table lists samples, by name, whose scans are not there: reading them would end a training."""
    if lacking:
        more = " ..." if len(lacking) > 3 else ""
        yield f"{WRONG}{len(lacking):,} of {listed:,} samples of {table} lack their scan: {', '.join(lacking[:3])}{more}"


def _by_sequence(root: Path, pattern: str) -> Counter[str]:
    place = pattern.split("/").index("*") if "*" in pattern.split("/")[:-1] else None
    found: Counter[str] = Counter()
    for path in root.glob(pattern):
        if path.name.startswith(".") or path.is_dir():  # ._000000.bin of an archive that was packed on a Mac
            continue
        parts = path.relative_to(root).parts
        found[path.parent.name if place is None else parts[place]] += 1
    return found
