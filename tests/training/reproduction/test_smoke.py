"""`reproduce --smoke`: every study in small holds all of the study, needs no data, and runs from end to end."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

import offline_training.pretraining.pretrain as pretraining
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.words.tokenizer import WordTokenizer
from lidar_vl_core.words.vocabulary import load_vocabulary
from offline_training.cli.main import main
from offline_training.datasets.data_sources import data_set_spec
from offline_training.finetuning.tasks import finetune_config_of
from offline_training.pretraining.config import pretrain_config_of
from offline_training.reproduction.base.cells import Place
from offline_training.reproduction.base.study import study_names
from offline_training.reproduction.language.language_runs import LanguageRuns, toy_language_config
from offline_training.reproduction.language.language_study import LanguageStudy
from offline_training.reproduction.plan_text import plan_of
from offline_training.reproduction.pretraining.pretraining_runs import PretrainingRuns, toy_teacher_config
from offline_training.reproduction.pretraining.pretraining_study import PretrainingStudy
from offline_training.reproduction.studies import Study, load_study, smoke_of
from offline_training.toys.toy_captions import all_words
from offline_training.toys.toy_config import ToyLanguageConfig
from offline_training.weak_labels.config import WeakLabelConfig
from offline_training.words.image_models.toy_model import CONTEXT_LENGTH
from offline_training.words.settings.question import class_ids_of_truth
from offline_training.words.settings.vlg_config import VlgConfig

OF_A_METHOD = ("method", "heads", "class_model", "sampling", "labels", "loss_weights", "teacher", "temperature")
OF_WORDS = ("pseudo", "self_training")
NAMES = study_names()
PRETRAINING = [name for name in NAMES if isinstance(load_study(name), PretrainingStudy)]
LANGUAGE = [name for name in NAMES if isinstance(load_study(name), LanguageStudy)]


def stages(study: Study) -> dict[str, int]:
    """Runs of each stage of one seed."""
    plan = plan_of(study.model_copy(update={"seeds": (0,)}), Place(Path("out"), "{data}", 1))
    return {stage.name: stage.runs for stage in plan.stages}


@pytest.mark.parametrize("name", NAMES)
def test_every_study_in_small_has_every_stage_row_and_column_of_the_study(name):
    study, small = load_study(name), smoke_of(load_study(name)).study
    assert [row.name for row in small.rows] == [row.name for row in study.rows]
    assert [(column.name, column.measure) for column in small.columns] == [
        (column.name, column.measure) for column in study.columns
    ]
    before, after = stages(study), stages(small)
    assert set(before) <= set(after)
    assert {
        stage: runs for stage, runs in before.items() if stage not in ("weak labels", "image features")
    }.items() <= (after.items())
    assert all(after[stage] >= runs for stage, runs in before.items())


@pytest.mark.parametrize("name", NAMES)
def test_every_study_in_small_needs_no_data_and_is_marked_as_a_trial(name):
    smoke = smoke_of(load_study(name))
    text = smoke.study.model_dump_json()
    assert "{data}" not in text
    assert plan_of(smoke.study, Place(Path("out"), "{data}", 1)).needed == ()
    assert smoke.study.title.startswith("SMOKE RUN, its numbers mean nothing: ")
    assert not any(row.published for row in smoke.study.rows)
    assert len(smoke.study.seeds) == 1
    assert smoke == smoke_of(load_study(name))


@pytest.mark.parametrize("name", PRETRAINING)
def test_pre_trainings_in_small_keep_their_methods_and_every_run_is_valid(name, tmp_path):
    study, small = load_study(name), smoke_of(load_study(name)).study
    runs, full = (PretrainingRuns(each, Place(tmp_path, "/data", 1)) for each in (small, study))
    trained_on, tested_on = set(), set()
    for row in small.rows:
        settings, before = runs.pretraining(row, 0), full.pretraining(study.row(row.name), 0)
        if settings is not None and before is not None:
            config = pretrain_config_of(settings, row.name)
            expected = pretrain_config_of(before, row.name)
            for key in OF_A_METHOD:
                assert getattr(config, key, None) == getattr(expected, key, None), key
            trained_on |= seeds(settings["train"])
        for column in small.columns:
            settings = runs.finetuning(row, column, 0)
            if settings is not None:
                assert finetune_config_of(settings, row.name).train
                trained_on |= seeds(settings["train"])
            tested_on |= seeds([source.model_dump() for source in runs.sources(column, 0)])
    for job in small.weak_labels:
        assert validated(WeakLabelConfig, runs.place.filled(job, 0), "labels").source
    toy_teacher_config(small, runs.place)
    assert not trained_on & tested_on


@pytest.mark.parametrize("name", LANGUAGE)
def test_stages_of_words_in_small_keep_their_settings_and_every_run_is_valid(name, tmp_path):
    study, small = load_study(name), smoke_of(load_study(name)).study
    runs, full = (LanguageRuns(each, Place(tmp_path, "/data", 1)) for each in (small, study))
    for row in small.rows:
        if row.quoted:
            continue
        config, expected = runs.config(row, 0), full.config(study.row(row.name), 0)
        for key in OF_WORDS:
            assert getattr(config, key).model_dump(exclude={"lists_file"}) == getattr(expected, key).model_dump(
                exclude={"lists_file"}
            )
        assert config.specialise.enabled == expected.specialise.enabled
        for column in small.columns_of(row):
            words = load_vocabulary(small.words_asked(row, column))
            truth = config.class_table if column.classes is None else class_table(column.classes)
            class_ids_of_truth(truth, words.class_table, column.truth_as)
            WordTokenizer(all_words({"street", "room"}), CONTEXT_LENGTH).tokens(
                words.prompts
            )  # refuses words that the toy never hears
        assert not seeds([one.model_dump() for one in config.train]) & seeds(
            [one.model_dump() for one in config.validation]
        )
    assert isinstance(toy_language_config(small, runs.place), ToyLanguageConfig)
    assert isinstance(config, VlgConfig)


def test_what_is_put_in_place_of_what_is_told():
    told = "\n".join(smoke_of(load_study("table1")).told)
    assert "nuscenes to train on -> 2 synthetic streets, 2 sweeps each" in told
    assert "res16unet_34c -> 8 channels, one block per stage: 0.11 % of its weights" in told
    assert "the label store seem -> superpixels by SLIC and classes by the toy teacher" in told
    assert "the label store slic -> superpixels by SLIC\n" in told
    assert "the image teacher's moco_v2_800ep_pretrain.pth.tar -> random weights in resnet50_dilated" in told
    assert "classes semantic_kitti19 -> nuscenes16" in told
    assert "not tested: the reader of semantic_kitti" in told
    words = "\n".join(smoke_of(load_study("vlg-table1")).told)
    assert "the image model openscene_features -> the toy language model" in words
    assert "nuScenes-C -> our own versions of its corruptions" in "\n".join(smoke_of(load_study("table8")).told)


def seeds(sources: list[dict[str, Any]]) -> set[tuple[str, int]]:
    """Kind and seed of every scene; all are made here."""
    found = set()
    for source in sources:
        assert data_set_spec(source["kind"]).made_files is not None
        scenes = source["streets" if source["kind"] == "synthetic" else "rooms"]
        found |= {(source["kind"], source["first_seed"] + number) for number in range(scenes)}
    return found


def cells_of(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "smoke" / "cells.json").read_text())


@pytest.fixture
def _one_core(monkeypatch):
    """Runs take as many threads as there are cores, which wait for each other where other tests run, too."""
    monkeypatch.setattr(os, "cpu_count", lambda: 1)


@pytest.mark.slow
@pytest.mark.usefixtures("_one_core")
def test_a_study_of_pre_training_runs_in_small_and_goes_on(tmp_path, monkeypatch, capsys):
    command = ["reproduce", "synthetic", "--smoke", "--rows", "Random", "OLIVINE", "--out", str(tmp_path)]
    assert main(command) == 0
    told = capsys.readouterr().out
    assert "a toy teacher of 1200 steps -> 8 steps" in told
    assert told.endswith("smoke: every stage ran; the numbers mean nothing\n")
    cells = cells_of(tmp_path)
    assert [(cell["row"], cell["column"]) for cell in cells] == [
        (row, column) for row in ("Random", "OLIVINE") for column in ("linear probe", "1 %")
    ]
    assert not (tmp_path / "table.md").exists()

    def refused(*_: object) -> None:
        raise BadRequest("trained twice")

    monkeypatch.setattr(pretraining, "pretrain", refused)
    assert main(command) == 0
    assert cells_of(tmp_path) == cells
    assert main([*command[:-4], "PPKT", "--out", str(tmp_path)]) == 2  # a stage that fails is an exit code


@pytest.mark.slow
@pytest.mark.usefixtures("_one_core")
def test_a_study_of_words_runs_in_small(tmp_path):
    rows = ["2D average", "whole method, 3D alone"]  # without training, and by every stage
    assert main(["reproduce", "synthetic-rooms", "--smoke", "--rows", *rows, "--out", str(tmp_path)]) == 0
    assert {cell["row"] for cell in cells_of(tmp_path)} == set(rows)
