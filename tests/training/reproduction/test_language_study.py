"""Studies of 3DSS-VLG: their files, what is trained for which row, that nothing is done twice, and the published numbers."""

import pytest

import offline_training.reproduction.language.language_runs as language_runs
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadConfig, BadRequest
from lidar_vl_core.words.vocabulary import load_vocabulary
from offline_training.datasets.data_sources import DataSource, data_set_spec
from offline_training.reproduction.base.cells import Place, sha256_of_values
from offline_training.reproduction.base.runner import measured_cells
from offline_training.reproduction.base.study import filled, study_names
from offline_training.reproduction.language.language_runs import LanguageRuns, column_sources
from offline_training.reproduction.language.language_study import LanguageStudy
from offline_training.reproduction.studies import load_study, reproduce, reproduce_study
from offline_training.words.settings.question import class_ids_of_truth
from tests.training.reproduction.small_studies import small_language_study

STUDIES = [name for name in study_names() if isinstance(load_study(name), LanguageStudy)]


@pytest.fixture
def no_table(monkeypatch):
    """Tables and plots are not drawn after each row."""
    monkeypatch.setattr(language_runs, "write_table", lambda *_: None)


@pytest.mark.parametrize("name", STUDIES)
def test_every_run_and_every_question_of_a_study_is_valid(name, tmp_path):
    study = load_study(name)
    runs = LanguageRuns(study, Place(tmp_path, "/data", 1))
    for row in study.rows:
        for column in study.columns_of(row):
            config = runs.config(row, 0)
            words = load_vocabulary(study.words_asked(row, column)).class_table
            truth = class_table(column.classes) if column.classes else config.class_table
            class_ids_of_truth(truth, words, column.truth_as)
            assert set(column.of or ()) <= set(words.names)
            for source in [*config.train, *config.validation, *column_sources(column, runs.place, 0)]:
                data_set_spec(source.kind).chosen_sequences(source)


def test_runs_that_were_measured_before_are_found_by_their_keys(tmp_path):
    study = load_study("vlg-table1")
    row = next(row for row in study.rows if not row.quoted)
    settings = filled(study.settings(row), {"data": "/data", "seed": "3"})
    lasting = {name: value for name, value in settings.items() if name not in ("out", "threads", "progress", "workers")}
    key = sha256_of_values([lasting, None, [], 3])
    assert LanguageRuns(study, Place(tmp_path, "/data", 1)).run_key(row, 3) == key


@pytest.mark.parametrize("name", STUDIES)
def test_no_scene_is_trained_and_tested_on(name, tmp_path):
    study = load_study(name)
    runs = LanguageRuns(study, Place(tmp_path, "/data", 1))
    for row in study.rows:
        if not row.quoted:
            config = runs.config(row, 0)
            assert not _seeds(config.train) & _seeds(config.validation)


@pytest.mark.slow
def test_each_stage_runs_once_for_all_rows_that_share_a_run(tmp_path, fake_stages, no_table):
    study = small_language_study()
    cells = reproduce(study, tmp_path, None)
    assert len(cells) == 2 * (3 * 3 + 1)  # three rows that run, two seeds; chairs of one row alone
    assert fake_stages.count("label full/seed0") == fake_stages.count("guide full/seed0") == 1
    assert "specialise baseline/seed0" not in fake_stages
    assert "guide baseline/seed0" not in fake_stages
    assert fake_stages.count("2d False") == fake_stages.count("3d True") == fake_stages.count("ensemble True") == 2
    fake_stages.clear()
    assert reproduce(study, tmp_path, None) == cells
    assert set(fake_stages) == {"features"}  # the store itself knows what it has


@pytest.mark.slow
def test_the_table_has_quoted_rows_and_the_published_numbers(tmp_path, fake_stages):
    reproduce(small_language_study(), tmp_path, None)
    text = (tmp_path / "table.md").read_text()
    assert "| others | - [20] | - | - | - |" in text
    assert "| full | 50.00 +- 0.00 [45, +5.00] | 60.00 +- 0.00 | 30.00 +- 0.00 | 70.00 +- 0.00 |" in text
    assert (tmp_path / "plot.png").stat().st_size > 1000
    assert (tmp_path / "configs" / "full" / "seed1.yaml").is_file()


def test_a_bound_is_measured_before_all_else_and_nothing_else_is_run_where_it_is_missed(
    tmp_path, fake_stages, no_table
):
    met, missed = ({"row": "full", "above": "baseline", "points": points} for points in (10.0, 10.1))
    with pytest.raises(
        BadRequest, match=r"'full' to be at least 10\.1 points above 'baseline' in mIoU, found 50\.0 and 40\.0"
    ):
        reproduce(small_language_study(bound=missed), tmp_path / "missed", None)
    assert "ensemble True" not in fake_stages
    assert not any("seed1" in done for done in fake_stages)
    fake_stages.clear()
    reproduce(small_language_study(bound=met), tmp_path / "met", None)
    assert fake_stages.count("guide full/seed0") == 1
    assert "ensemble True" in fake_stages


@pytest.mark.parametrize("row", ["baseline", "others"])
def test_a_bound_of_a_row_that_the_first_column_does_not_measure_is_refused(row):
    chairs_first = [{"name": "chairs", "of": ["chair"], "rows": ["full"]}, {"name": "mIoU"}]
    with pytest.raises(BadConfig, match=f"bound: row {row} is not measured in the first column, chairs"):
        small_language_study(bound={"row": "full", "above": row, "points": 5.0}, columns=chairs_first)


def test_another_configuration_takes_the_folder_and_is_measured_anew(tmp_path, fake_stages, no_table):
    reproduce(small_language_study(), tmp_path, None, ("full",))
    stray = tmp_path / "runs" / "full" / "seed0" / "pseudo_labels" / "of_before"
    stray.parent.mkdir()
    stray.touch()
    fake_stages.clear()
    changed = small_language_study(run={"guide": {"max_steps": 7}})
    assert measured_cells(LanguageRuns(changed, Place(tmp_path, "", 1)), changed.rows) == []
    reproduce(changed, tmp_path, None, ("full",))
    assert "guide full/seed0" in fake_stages
    assert not stray.exists()


def test_a_question_that_changes_trains_nothing_anew(tmp_path, fake_stages, no_table):
    reproduce(small_language_study(), tmp_path, None, ("full",))
    fake_stages.clear()
    reproduce(small_language_study(columns=[{"name": "mIoU", "of": ["chair"]}]), tmp_path, None, ("full",))
    assert set(fake_stages) == {"features"}


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda path: reproduce_study("vlg-table3", path, None), "--data ROOT"),
        (lambda path: reproduce_study("vlg-table3", path, path / "none"), "found no folder .*none. Correct --data"),
        (lambda path: reproduce_study("vlg-table2", path, None), "synthetic-rooms"),
        (lambda path: reproduce(small_language_study(), path, None, ("nobody",)), "'baseline', 'full'"),
        (lambda path: reproduce(small_language_study(), path, None, (), 0), "at least 1"),
    ],
)
def test_wrong_requests_are_refused_with_what_there_is(act, told, tmp_path):
    with pytest.raises(BadRequest, match=told):
        act(tmp_path)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rows": [{"name": "a"}, {"name": "b", "like": "a", "run": {"seed": 1}}]}, "no run of its own"),
        ({"rows": [{"name": "a", "published": {"IoU": 1.0}}]}, "no such column"),
        ({"columns": [{"name": "mIoU", "rows": ["nobody"]}]}, "no such row"),
        ({"columns": [{"name": "mIoU", "measure": "minutes", "of": ["chair"]}]}, "only measures of single classes"),
    ],
)
def test_studies_that_contradict_themselves_are_refused(changes, told):
    with pytest.raises(BadConfig, match=told):
        small_language_study(**changes)


def _seeds(sources: tuple[DataSource, ...]) -> set[tuple[str, int]]:
    """Kind and seed of each synthetic scene."""
    return {
        (source.kind, seed)
        for source in sources
        if hasattr(source, "first_seed")
        for seed in range(
            source.first_seed, source.first_seed + getattr(source, "streets", getattr(source, "rooms", 0))
        )
    }
