"""The runs of a study of evidence: pre-training, then probes of the frozen network with all label draws.

Touches the disk.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.foundation.files import write_bytes
from lidar_vl_core.foundation.threads import machine_cores
from offline_training.datasets.data_sources import data_source, open_source
from offline_training.reproduction.base.bootstrap import even_weights, mean_iou
from offline_training.reproduction.base.cells import Cell, Measured, Place, sha256_of_values, slug
from offline_training.reproduction.evidence.evidence_study import EvidenceColumn, EvidenceStudy
from offline_training.reproduction.evidence.findings import Findings
from offline_training.reproduction.pretraining.pretraining_runs import PretrainingRuns
from offline_training.reproduction.pretraining.pretraining_study import PretrainingRow
from offline_training.runs.backbone_config import BackboneConfig

if TYPE_CHECKING:
    from offline_training.datasets.base.sample_source import SampleSource
    from offline_training.pretraining.base.config import PretrainConfig

_FREE = ("out", "threads", "progress")  # locations and the number of workers do not affect any number
_OF_A_NETWORK = {
    *BackboneConfig.model_fields,
    "seed",
    "classes",
}  # everything that determines random weights and their input
_VERSION = 1  # version of the probes: change it when the same networks get other counts


@dataclass(frozen=True)
class EvidenceRuns:
    """The runs of a study of evidence."""

    study: EvidenceStudy
    place: Place

    @property
    def trainings(self) -> PretrainingRuns:
        """The runs of its pre-trainings."""
        return PretrainingRuns(self.study.trainings, self.place)

    def prepare(self, rows: tuple[PretrainingRow, ...]) -> None:
        """Make the image teacher, the superpixels, and the scans of the probes."""
        self.trainings.prepare(rows)
        self._opened(machine_cores())

    def configurations(self, row: PretrainingRow, seed: int) -> Iterator[tuple[Path, dict[str, Any]]]:
        """The configurations of `pretrain`."""
        return self.trainings.configurations(row, seed)

    def cell_file(self, row: PretrainingRow, column: EvidenceColumn, seed: int) -> Path:
        """A file beside the run that it was measured on."""
        return self._folder(row, seed) / f"{slug(column.name)}.json"

    def key(self, row: PretrainingRow, column: EvidenceColumn, seed: int) -> str:
        """Hash of all that leads to a cell's number."""
        probe = self.study.probe.model_dump(mode="json")
        return sha256_of_values([_VERSION, self._network_key(row, seed), probe, column.scans])

    def measured(self, row: PretrainingRow, column: EvidenceColumn, seed: int) -> Measured:
        """Run or finish the row's pre-training, probe it for all columns, and return this column's mean over its draws.

        Raises BadRequest.
        """
        counts = self.counts(row, column, seed)
        if counts is None:
            self.trainings.pretrain(row, seed)
            self._probe(row, seed)
            counts = self.counts(row, column, seed)
        if counts is None:
            raise BadRequest(f"{self.counts_file(row, column, seed)}: expected the counts just written, found none.")
        there = counts[0, 0, :, 1].sum(axis=0)
        found, known, answered = (counts[0, :, :, kind].sum(axis=1) for kind in range(3))
        iou = found / np.maximum(known + answered - found, 1)
        names = self._config(row, seed).class_table.names
        per_class = {name: fmean(iou[:, k]) if there[k] else None for k, name in enumerate(names)}
        shape = (counts.shape[0], counts.shape[1], counts.shape[2])
        return Measured(float(mean_iou(counts, even_weights(shape))[0]), per_class)

    def counts(self, row: PretrainingRow, column: EvidenceColumn, seed: int) -> np.ndarray | None:
        """(1, draws, T, 3, K) counts of one network; None unless they were measured with this study's configurations."""
        row = self.study.owner(row)
        try:
            with np.load(self.counts_file(row, column, seed), allow_pickle=False) as stored:
                found = stored["counts"] if str(stored["key"]) == self.key(row, column, seed) else None
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return None
        return None if found is None else found[None]

    def counts_file(self, row: PretrainingRow, column: EvidenceColumn, seed: int) -> Path:
        """The file of the counts of a column's draws."""
        return self._folder(row, seed) / f"{slug(column.name)}.npz"

    def report(self, rows: tuple[PretrainingRow, ...], cells: list[Cell]) -> None:
        """Write the table with its differences, and their plot."""
        from offline_training.reproduction.evidence.evidence_report import write_report

        write_report(Findings(self.study, rows, cells, self.place.out, self.counts, self.trainings.pretraining))

    def _probe(self, row: PretrainingRow, seed: int) -> None:
        from offline_training.finetuning.frozen_encoder import Encoder
        from offline_training.reproduction.evidence.probe_draws import label_draws, probed_counts, scan_rows
        from offline_training.runs.device import torch_set_up

        owner, config = self.study.owner(row), self._config(row, seed)
        checkpoint = None if owner.recipe is None else Path(config.out) / "checkpoints"
        probe, classes = self.study.probe, len(config.class_table)
        sources = self._opened(self.place.threads)
        with torch_set_up(self.place.threads):
            encoder = Encoder(config, checkpoint, seed)
            pool, test = (
                [rows for source in each for rows in scan_rows(encoder, source, classes, most)]
                for each, most in zip(sources, (probe.rows_per_scan, probe.test_rows_per_scan), strict=True)
            )
        for column in self.study.columns:
            draws = label_draws(len(pool), column.scans, probe.draws)
            counts = probed_counts(pool, test, draws, classes)
            buffer = BytesIO()
            np.savez_compressed(buffer, counts=counts, key=np.array(self.key(owner, column, seed)))
            write_bytes(self.counts_file(owner, column, seed), buffer.getvalue())

    def _opened(self, workers: int) -> "tuple[Sequence[SampleSource], Sequence[SampleSource]]":
        """Pool and test data; generated data are made now. Raises BadRequest for a draw larger than the pool."""
        config = self._config(self.study.rows[0], self.study.seeds[0])
        pool, test = (
            [
                open_source(data_source(one, "reproduce, probe"), config.class_table, workers)
                for one in self.place.filled(list(each), 0)
            ]
            for each in (self.study.probe.pool, self.study.probe.test)
        )
        most, scans = max(column.scans for column in self.study.columns), sum(len(source) for source in pool)
        if most > scans:
            raise BadRequest(
                f"probe: expected a pool of at least the {most} scans of a draw, found {scans}. Enlarge the pool."
            )
        return pool, test

    def _config(self, row: PretrainingRow, seed: int) -> "PretrainConfig":
        from offline_training.pretraining.config import pretrain_config_of

        return pretrain_config_of(self._settings(row, seed), f"reproduce, {row.name}")

    def _settings(self, row: PretrainingRow, seed: int) -> dict[str, Any]:
        """The settings of a row's network; without a recipe, those of the first row that has one."""
        owner = self.study.owner(row)
        named = owner if owner.recipe is not None else next(each for each in self.study.rows if each.recipe is not None)
        return self.trainings.pretraining(named, seed) or {}

    def _network_key(self, row: PretrainingRow, seed: int) -> str:
        """Hash of everything that determines a row's network, wherever it is stored."""
        owner = self.study.owner(row)
        settings = {name: value for name, value in self._settings(owner, seed).items() if name not in _FREE}
        if owner.recipe is None:
            return sha256_of_values({name: value for name, value in settings.items() if name in _OF_A_NETWORK})
        return sha256_of_values([settings, self.trainings.made_before(owner)])

    def _folder(self, row: PretrainingRow, seed: int) -> Path:
        return self.place.folder(self.study.owner(row).name, seed)
