"""Studies: their files, what a cell is made of, that nothing is done twice, and the table."""

import json
from collections.abc import Callable
from concurrent.futures import Future

import pytest

import offline_training.reproduction.pretraining.pretraining_runs as pretraining_runs
from lidar_vl_core.foundation.errors import BadConfig, BadRequest
from offline_training.datasets.data_sources import data_set_spec, data_source
from offline_training.evaluation.robustness import corruption_errors
from offline_training.finetuning.tasks import finetune_config_of
from offline_training.pretraining.config import pretrain_config_of
from offline_training.reproduction.base import jobs
from offline_training.reproduction.base.cells import Cell, Measured, Place
from offline_training.reproduction.base.runner import measured_cells
from offline_training.reproduction.base.study import filled, recipe_with, study_names
from offline_training.reproduction.base.table import markdown_table
from offline_training.reproduction.pretraining.pretraining_runs import PretrainingRuns
from offline_training.reproduction.pretraining.pretraining_study import PretrainingStudy
from offline_training.reproduction.studies import load_study, reproduce
from tests.training.reproduction.small_studies import small_pretraining_study

STUDIES = [name for name in study_names() if isinstance(load_study(name), PretrainingStudy)]
TABLES = ["table1", "table2", "table3", "table4", "table5", "table6", "table7", "table8", "table9"]


@pytest.fixture
def fake_runs(monkeypatch):
    """Runs that take no time: they are counted, and measure 10 per seed."""
    runs: list[str] = []

    def measured(_, row, column, seed):
        runs.append(f"{row.name}/{column.name}/{seed}")
        return Measured(40.0 + 10.0 * seed, {})

    monkeypatch.setattr(pretraining_runs, "_pretrain", lambda *settings: runs.append("pretrain"))
    monkeypatch.setattr(pretraining_runs, "_MEASURES", {"mean_iou": measured, "hours": measured})
    return runs


def test_every_table_of_the_paper_is_a_study():
    assert set(TABLES) <= set(STUDIES)
    assert {"synthetic", "pandaset", "synthetic-detection"} <= set(STUDIES)


@pytest.mark.parametrize("name", STUDIES)
def test_every_run_of_a_study_is_a_valid_configuration(name, tmp_path):
    study = load_study(name)
    runs = PretrainingRuns(study, Place(tmp_path, "/data", 1))
    for row in study.rows:
        settings = runs.pretraining(row, 0)
        if settings is not None:
            pretrain_config_of(settings, f"{name}, {row.name}")
        for column in study.columns:
            settings = runs.finetuning(row, column, 0)
            if settings is not None:
                finetune_config_of(settings, f"{name}, {row.name}, {column.name}")


@pytest.mark.parametrize("name", STUDIES)
def test_every_data_set_of_a_study_names_parts_that_exist(name, tmp_path):
    study = load_study(name)
    runs = PretrainingRuns(study, Place(tmp_path, "/data", 1))
    sources = [*study.test, *(one for column in study.columns for one in column.test or ())]
    for row in study.rows:
        settings = [runs.pretraining(row, 0), *(runs.finetuning(row, column, 0) for column in study.columns)]
        sources += [one for run in settings if run is not None for one in run["train"]]
    for source in sources:
        data_set_spec(source["kind"]).chosen_sequences(data_source(source, name))


def test_the_baseline_of_the_corruption_errors_is_the_one_the_published_tables_used():
    study = load_study("table8")
    corruption_of = {column.name: column.corruption for column in study.columns if column.corruption}
    followed = {}
    for row in study.rows:
        mean_iou = {corruption: [row.published[name]] for name, corruption in corruption_of.items()}
        errors = corruption_errors(mean_iou, study.robustness_baseline)
        followed[row.name] = sum(errors.values()) / len(errors)
    for name in ("Random (MinkUNet)", "SLidR", "Seal"):
        assert followed[name] == pytest.approx(study.row(name).published["mCE"], abs=0.006)
    # Two printed figures do not follow from their own rows: 105.64 and 90.85.
    assert followed["PPKT"] == pytest.approx(105.94, abs=0.006)
    assert followed["OLIVINE"] == pytest.approx(89.38, abs=0.006)


@pytest.mark.slow
def test_what_is_done_is_not_done_again(tmp_path, fake_runs):
    study = small_pretraining_study()
    cells = reproduce(study, tmp_path, None)
    assert len(cells) == 12  # three rows, two columns, two seeds
    assert sorted(set(fake_runs)) == sorted(
        [
            "pretrain",
            *(f"{row}/{column}/{seed}" for row in ("random", "ours") for column in ("1 %", "hours") for seed in (0, 1)),
        ]
    )  # `ours again` shares the runs of `ours`
    assert len(fake_runs) == 12  # each cell of `ours` looks for its pre-training
    fake_runs.clear()
    assert reproduce(study, tmp_path, None) == cells
    assert fake_runs == []


def test_a_run_that_fails_stops_none_of_the_others_and_is_told_at_the_end(tmp_path, monkeypatch):
    class Now:
        """A pool that runs at once, in this process."""

        def __init__(self, *_: object, **__: object) -> None: ...

        def __enter__(self) -> "Now":
            return self

        def __exit__(self, *_: object) -> None: ...

        def submit(self, run: Callable, *arguments: object) -> Future:
            done: Future = Future()
            try:
                done.set_result(run(*arguments))
            except BadRequest as error:
                done.set_exception(error)
            return done

    def measured(_, row, column, seed):
        if row.name == "ours":
            raise BadRequest("no labels there")
        return Measured(40.0, {})

    monkeypatch.setattr(jobs, "_pool", Now)
    monkeypatch.setattr(pretraining_runs, "_pretrain", lambda *settings: None)
    monkeypatch.setattr(pretraining_runs, "_MEASURES", {"mean_iou": measured, "hours": measured})
    with pytest.raises(BadRequest, match="no labels there"):
        reproduce(small_pretraining_study(), tmp_path, None, jobs=2)
    assert "| random | 40.00 +- 0.00" in (tmp_path / "table.md").read_text()


def test_another_configuration_is_measured_anew(tmp_path, fake_runs):
    reproduce(small_pretraining_study(), tmp_path, None, ("random",))
    fake_runs.clear()
    reproduce(small_pretraining_study(finetune={"max_steps": 7}), tmp_path, None, ("random",))
    assert fake_runs


def test_the_table_shows_ours_the_spread_the_published_number_and_the_difference(tmp_path, fake_runs):
    study = small_pretraining_study()
    cells = reproduce(study, tmp_path, None)
    text = (tmp_path / "table.md").read_text()
    assert "| random | 45.00 +- 7.07 [30, +15.00] | 45.00 +- 7.07 |" in text
    assert "| ours again | 45.00 +- 7.07 [50, -5.00] |" in text
    assert (tmp_path / "plot.png").stat().st_size > 1000
    assert len(json.loads((tmp_path / "cells.json").read_text())) == len(cells)
    assert sorted(path.name for path in tmp_path.glob("runs/ours/seed0/*.yaml")) == ["1.yaml", "pretrain.yaml"]


def test_cells_that_are_missing_stay_empty_and_few_seeds_are_told():
    study = small_pretraining_study()
    text = markdown_table(study, study.rows, [Cell("random", "1 %", 1, 42.0, {}, "")])
    assert "| random | 42.00 (n=1) [30, +12.00] | - |" in text
    assert "| ours again | - [50] | - |" in text


def test_cells_of_a_damaged_or_foreign_file_are_not_believed(tmp_path, fake_runs):
    study = small_pretraining_study()
    reproduce(study, tmp_path, None, ("random",))
    runs = PretrainingRuns(study, Place(tmp_path, "", 1))
    file = runs.cell_file(study.rows[0], study.columns[0], 0)
    file.write_text(file.read_text()[:20])
    assert len(measured_cells(runs, study.rows[:1])) == 3


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda path: load_study("table10"), "expected one of pandaset, .*synthetic, .*table1"),
        (lambda path: reproduce(small_pretraining_study(), path, None, ("nobody",)), "'random', 'ours'"),
        (lambda path: reproduce(load_study("table1"), path, None), "--data ROOT"),
        (lambda path: reproduce(small_pretraining_study(), path, None, (), 0), "at least 1"),
    ],
)
def test_wrong_requests_are_refused_with_what_there_is(act, told, tmp_path):
    with pytest.raises(BadRequest, match=told):
        act(tmp_path)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rows": [{"name": "a", "published": {"2 %": 1.0}}]}, "no such column"),
        ({"rows": [{"name": "a", "like": "b"}]}, "b is not a row"),
        ({"rows": [{"name": "a"}, {"name": "b", "like": "a", "finetune": {"seed": 1}}]}, "no runs of its own"),
        ({"columns": [{"name": "1 %"}]}, "exactly one of recipe and like"),
        ({"columns": [{"name": "hours", "measure": "hours", "recipe": "finetune/demo.yaml"}]}, "take no fine-tuning"),
        ({"columns": [{"name": "fog", "measure": "mrr", "corruption": "fog"}]}, "corruption is for corrupted_mean_iou"),
        ({"columns": [{"name": "hours", "measure": "hours", "finetune": {"seed": 1}}]}, "the column has none"),
        ({"columns": [{"name": "mrr", "measure": "mrr", "like": "clean"}]}, "clean is not a column"),
        ({"toy_language": "words/toy_language.yaml"}, "no such key"),
    ],
)
def test_studies_with_keys_that_contradict_or_do_nothing_are_refused(changes, told):
    with pytest.raises(BadConfig, match=told):
        small_pretraining_study(**{"rows": [{"name": "a"}], **changes})


def test_a_row_like_another_is_run_as_that_one_when_it_is_asked_alone(tmp_path, fake_runs):
    cells = reproduce(small_pretraining_study(), tmp_path, None, ("ours again",))
    assert {cell.row for cell in cells} == {"ours again"}
    assert (tmp_path / "runs" / "ours" / "seed0" / "pretrain.yaml").is_file()
    fake_runs.clear()
    assert len(reproduce(small_pretraining_study(), tmp_path, None, ("ours",))) == 4
    assert fake_runs == []


def test_recipes_are_joined_key_by_key_and_places_are_filled():
    settings = recipe_with(
        "pretrain/synthetic.yaml", {"augment": {"flip_probability": 0.0}}, {"out": "{out}/x", "seed": 3}
    )
    assert settings["augment"]["flip_probability"] == 0.0
    assert filled(settings, {"out": "here"})["out"] == "here/x"
    assert small_pretraining_study().chosen_rows(("ours again", "random"))[0].name == "random"
