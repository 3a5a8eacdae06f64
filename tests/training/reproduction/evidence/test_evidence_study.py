"""Studies of evidence: pairs of draws and streets, what is not done twice, and what a table may say."""

from pathlib import Path

import numpy as np
import pytest
import torch

import offline_training.finetuning.frozen_encoder as frozen_encoder
import offline_training.pretraining.pretrain as pretraining
import offline_training.reproduction.evidence.evidence_runs as evidence_runs
from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadConfig, BadRequest
from offline_training.finetuning.frozen_encoder import SweepFeatures
from offline_training.pretraining.config import load_pretrain_config, pretrain_config_of
from offline_training.reproduction.base.bootstrap import Interval, paired_difference
from offline_training.reproduction.base.cells import Place
from offline_training.reproduction.base.study import CONFIGS, recipe_with, study_names
from offline_training.reproduction.evidence.acting_share import acting_share
from offline_training.reproduction.evidence.evidence_report import Answer, chance_lines, sentence
from offline_training.reproduction.evidence.evidence_runs import EvidenceRuns
from offline_training.reproduction.evidence.evidence_study import EvidenceStudy
from offline_training.reproduction.plan_text import plan_of
from offline_training.reproduction.studies import load_study, reproduce
from tests.training.pretraining.pretrain_scenes import Rooms

STUDIES = [name for name in study_names() if isinstance(load_study(name), EvidenceStudy)]
STREETS = {"kind": "synthetic", "folder": "unused", "lidar": "hdl32"}


def small_study(**changes: object) -> EvidenceStudy:
    content = {
        "kind": "evidence",
        "title": "small",
        "source": "made up",
        "seeds": [0, 1],
        "rows": [
            {"name": "random"},
            {"name": "ours", "recipe": "pretrain/synthetic_evidence_cross_entropy.yaml"},
        ],
        "columns": [{"name": "1 scan", "scans": 1}, {"name": "3 scans", "scans": 3}],
        "probe": {
            "pool": [{**STREETS, "first_seed": 1}],
            "test": [{**STREETS, "frames_per_street": 1}],
            "draws": 4,
        },
        "compare": [{"row": "ours", "to": "random"}],
        "replicates": 100,
    }
    return validated(EvidenceStudy, {**content, **changes}, "test")


class FakeEncoder:
    """A pre-trained network sees height and noise, a random one noise alone."""

    def __init__(self, config: object, checkpoint: Path | None, seed: int) -> None:
        self.is_trained, self.rng = checkpoint is not None, np.random.default_rng(seed)

    def features(self, xyz_m: np.ndarray, intensity: np.ndarray) -> SweepFeatures:
        noise = self.rng.normal(size=(len(xyz_m), 3))
        height = xyz_m[:, 2:] * self.is_trained
        return SweepFeatures(torch.from_numpy(np.hstack([noise, height])).float(), np.arange(len(xyz_m)))


@pytest.fixture
def trained(monkeypatch) -> list[str]:
    """Studies that pre-train in no time, on rooms; what is pre-trained is told."""
    runs: list[str] = []
    monkeypatch.setattr(evidence_runs, "open_source", lambda *_: Rooms(points=60))
    monkeypatch.setattr(frozen_encoder, "Encoder", FakeEncoder)
    monkeypatch.setattr(pretraining, "pretrain", lambda config: runs.append(f"{config.method} {config.seed}"))
    return runs


def test_a_study_is_measured_compared_in_pairs_and_not_done_again(tmp_path, trained, monkeypatch):
    study = small_study()
    cells = reproduce(study, tmp_path, None)
    assert len(cells) == 8  # two rows, two columns, two seeds
    assert trained == ["weak_cross_entropy 0", "weak_cross_entropy 1"]
    table = (tmp_path / "table.md").read_text()
    assert "Ours is ahead of random with 1 scan and 3 scans." in table
    assert "2 of 2 intervals exclude 0; 0.1 would by chance if nothing differed." in table
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")

    def refused(*_: object) -> None:
        raise BadRequest("done twice")

    monkeypatch.setattr(pretraining, "pretrain", refused)
    monkeypatch.setattr(frozen_encoder, "Encoder", refused)
    assert reproduce(study, tmp_path, None) == cells
    assert (tmp_path / "table.md").read_text() == table


def test_a_stopped_study_goes_on_with_what_is_missing(tmp_path, trained):
    study = small_study()
    cells = reproduce(study, tmp_path, None)
    runs = EvidenceRuns(study, Place(tmp_path, "", 1))
    ours, column = study.row("ours"), study.columns[1]
    runs.counts_file(ours, column, 1).write_bytes(b"half a fi")
    runs.cell_file(ours, column, 1).unlink()
    trained.clear()
    again = reproduce(study, tmp_path, None)
    assert [(cell.row, cell.column, cell.seed) for cell in again] == [(c.row, c.column, c.seed) for c in cells]
    assert set(trained) <= {"weak_cross_entropy 1"}


def test_rows_are_compared_over_the_same_draws_streets_and_seeds_alone(tmp_path, trained):
    study = small_study()
    reproduce(study, tmp_path, None)
    runs = EvidenceRuns(study, Place(tmp_path, "", 1))
    column = study.columns[0]
    both = [
        np.concatenate([runs.counts(study.row(name), column, seed) for seed in (0, 1)]) for name in ("ours", "random")
    ]
    assert both[0].shape == (2, 4, 4, 3, 16)
    np.testing.assert_array_equal(both[0][:, :, :, 1], both[1][:, :, :, 1])  # the same true rows of every street
    interval = paired_difference(*both, 100, np.random.default_rng([7, 1]))
    assert (
        f"{interval.value:+.2f} ({interval.lower:+.2f} to {interval.upper:+.2f})" in (tmp_path / "table.md").read_text()
    )
    runs.counts_file(study.row("ours"), column, 1).unlink()
    runs.report(study.rows, [])
    assert "| ours - random | 1 | " in (tmp_path / "table.md").read_text()


def test_probes_are_made_again_when_what_they_are_made_of_changes(tmp_path, trained):
    study, place = small_study(), Place(tmp_path, "", 1)
    reproduce(study, tmp_path, None)
    row, column = study.row("ours"), study.columns[0]
    changed = (
        {"probe": {**study.probe.model_dump(), "draws": 5}},
        {"pretrain": {"learning_rate": 0.5}},
        {"toy_teacher": {"steps": 7}},
    )
    for changes in changed:
        assert EvidenceRuns(small_study(**changes), place).counts(row, column, 0) is None


def test_random_weights_are_not_probed_again_when_only_a_pre_training_changes(tmp_path, trained):
    study, place = small_study(), Place(tmp_path, "", 1)
    reproduce(study, tmp_path, None, ("random",))
    row, column = study.row("random"), study.columns[0]
    assert EvidenceRuns(small_study(pretrain={"learning_rate": 0.5}), place).counts(row, column, 0) is not None
    assert EvidenceRuns(small_study(pretrain={"stem": 8}), place).counts(row, column, 0) is None


def test_a_draw_larger_than_the_pool_is_refused(tmp_path, trained):
    with pytest.raises(BadRequest, match="a pool of at least the 9 scans of a draw, found 4"):
        reproduce(small_study(columns=[{"name": "9 scans", "scans": 9}]), tmp_path, None)


@pytest.mark.parametrize(
    ("intervals", "told"),
    [
        ({"2": (1, 3), "10": (2, 4)}, "- Ours is ahead of theirs with 2 and 10."),
        ({"2": (-3, -1)}, "- Ours is behind theirs with 2."),
        ({"2": (-1, 3)}, "- With 2 no order of ours and theirs is shown: the interval contains 0."),
        (
            {"2": (-1, 3), "10": (2, 4), "40": (-4, -2)},
            "- Ours is ahead of theirs with 10; ours is behind theirs with 40; with 2 no order of ours and theirs is shown: the interval contains 0.",
        ),
    ],
)
def test_an_order_is_claimed_only_where_the_interval_leaves_out_0(intervals, told):
    found = {name: Interval((low + high) / 2, low, high) for name, (low, high) in intervals.items()}
    assert sentence(Answer("ours - theirs", (0, 1), found)) == told
    assert sentence(Answer("ours - theirs", (3,), found)) == f"{told} One seed only."


def test_how_many_intervals_would_leave_out_0_by_chance_is_told():
    answers = [Answer(f"{k} - x", (0,), {"a": Interval(1, k - 1, 2), "b": Interval(1, 0.5, 2)}) for k in range(3)]
    assert chance_lines(answers) == ["4 of 6 intervals exclude 0; 0.3 would by chance if nothing differed."]
    assert chance_lines([]) == []


def test_the_consistency_acts_in_most_of_the_learning_rate_budget():
    ours = load_pretrain_config(CONFIGS / "pretrain/synthetic_evidence.yaml")
    rates = [0.5 * (1 + np.cos(np.pi * step / 120)) for step in range(120)]
    assert acting_share(ours) == pytest.approx(sum(rates[14:]) / sum(rates))
    assert acting_share(ours) > 0.7
    assert ours.freeze_step + 1 == round(0.12 * ours.max_steps)
    before = load_pretrain_config(CONFIGS / "pretrain/synthetic.yaml")
    assert acting_share(before) < 0.15
    for change in ({"class_model": "none"}, {"loss_weights": [0.5, 0.5, 0.0]}):
        other = pretrain_config_of(recipe_with("pretrain/synthetic_evidence.yaml", change), "test")
        assert acting_share(other) is None


@pytest.mark.parametrize("name", STUDIES)
def test_every_pre_training_is_valid_and_no_street_is_of_two_parts(name, tmp_path):
    study = load_study(name)
    runs = EvidenceRuns(study, Place(tmp_path, "", 1))
    trained_on: set[int] = set()
    for row in study.rows:
        settings = runs.trainings.pretraining(row, 0)
        if settings is not None:
            trained_on |= streets(pretrain_config_of(settings, row.name).model_dump()["train"])
    teacher = runs.trainings.study.toy_teacher
    tested = [streets(study.probe.test), streets([teacher["test"]])]
    assert not trained_on & (tested[0] | tested[1])
    assert not tested[0] & tested[1]
    assert teacher["learns"] == "views"


def test_weights_are_chosen_on_streets_and_a_seed_that_the_study_does_not_use():
    study, choice = load_study("synthetic-evidence"), load_study("synthetic-evidence-choice")
    assert not streets(study.probe.test) & streets(choice.probe.test)
    assert not set(study.seeds) & set(choice.seeds)


def streets(sources: object) -> set[int]:
    return {one["first_seed"] + number for one in sources for number in range(one["streets"])}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"compare": [{"row": "ours", "to": "nobody"}]}, "compare: nobody: no such row"),
        ({"rows": [{"name": "random"}], "compare": []}, "expected at least one with a recipe"),
        (
            {"probe": {"pool": [STREETS], "test": [{**STREETS, "frames_per_street": 2}]}},
            "scans of one street are not independent",
        ),
    ],
)
def test_studies_that_could_show_nothing_are_refused(changes, told):
    with pytest.raises(BadConfig, match=told):
        small_study(**changes)


def test_what_is_done_is_counted(tmp_path, trained):
    study, place = small_study(), Place(tmp_path, "", 1)

    def done() -> dict[str, int]:
        return {stage.name: stage.done() for stage in plan_of(study, place).stages}

    assert done() == {"pre-training": 0, "number in the table": 0}
    reproduce(study, tmp_path, None, ("random",))
    assert done() == {"pre-training": 0, "number in the table": 4}
    reproduce(study, tmp_path, None)
    assert done() == {"pre-training": 2, "number in the table": 8}
