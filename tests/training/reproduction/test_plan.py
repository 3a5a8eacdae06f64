"""`reproduce --list` and `--dry-run`: what is counted, what is told as unknown, and that nothing heavy is needed for it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import offline_training.pretraining.pretrain as pretraining
import offline_training.reproduction.pretraining.pretraining_runs as pretraining_runs
from lidar_vl_core.foundation.errors import BadRequest
from offline_training.networks.sparse.minkunet import MinkUNet
from offline_training.networks.sparse.minkunet_shapes import SHAPES, weight_count
from offline_training.reproduction.base.cells import Measured, Place
from offline_training.reproduction.base.data_needed import ROOT, Needed, data_needed
from offline_training.reproduction.base.runner import run_rows
from offline_training.reproduction.base.study import study_names
from offline_training.reproduction.language.language_runs import LanguageRuns
from offline_training.reproduction.plan_text import list_lines, plan_lines, plan_of
from offline_training.reproduction.pretraining.pretraining_runs import PretrainingRuns
from offline_training.reproduction.studies import Study, load_study
from tests.training.reproduction.small_studies import small_language_study, small_pretraining_study

REPOSITORY = Path(__file__).resolve().parents[3]


def counts(study: Study, out: Path, rows: tuple[str, ...] = ()) -> dict[str, tuple[int, int | None]]:
    """Of each stage: all runs, and those that are done."""
    plan = plan_of(study, Place(out, "", 1), rows)
    return {stage.name: (stage.runs, stage.done and stage.done()) for stage in plan.stages}


def test_list_and_dry_run_answer_without_pytorch_and_start_nothing(tmp_path):
    code = (
        "import sys\nfrom offline_training.cli.main import main\n"
        "codes = [main(['reproduce', *each]) for each in (['--list'], ['synthetic', '--dry-run'], ['vlg-table1', '--dry-run'])]\n"
        "print(codes, {'torch', 'matplotlib', 'lightning', 'scipy'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert run.stdout.splitlines()[-1] == "[0, 0, 0] set()"
    assert not list(tmp_path.iterdir())


def test_the_list_has_a_line_for_every_study_with_what_is_there_and_what_is_missing(tmp_path):
    (tmp_path / "nuscenes").mkdir()
    lines = dict(line.split(maxsplit=1) for line in list_lines(tmp_path))
    assert set(lines) == set(study_names())
    assert lines["synthetic"] == "Synthetic streets: 90 runs; needs no download"
    assert lines["table7"].startswith("OLIVINE table 7: 21 runs; missing: weak_labels/seem, weights/moco")
    assert lines["table7"].endswith("; present: nuscenes")
    assert "not checked: open_clip's ViT-L-14-336-quickgelu (openai)" in lines["vlg-table3"]
    assert "needs pandaset, " in next(line for line in list_lines(None) if line.startswith("pandaset "))


def test_missing_data_are_told_with_the_command_that_checks_them(tmp_path):
    text = "\n".join(plan_lines("table7", tmp_path / "out", tmp_path, (), 1))
    place = tmp_path / "nuscenes"
    assert f"missing  nuscenes: {place}: unpack it there, then: lidar-vl-train check-data nuscenes {place}" in text
    assert "lidar-vl-train weak-label" in text
    assert "pre-training OLIVINE: unknown until the first run" in text


def test_without_a_root_nothing_is_said_about_what_is_done(tmp_path):
    text = "\n".join(plan_lines("table9", tmp_path, None, (), 1))
    assert "done: unknown without --data ROOT" in text
    assert "pre-training               3     -     -" in text


def test_data_are_found_in_configurations_and_data_sets_that_make_themselves_are_not():
    found = data_needed([
        {"train": [{"kind": "nuscenes", "folder": f"{ROOT}/nuscenes", "split": "train"}, {"kind": "synthetic", "folder": "x"}]},
        {"train": [{"kind": "nuscenes", "folder": f"{ROOT}/nuscenes", "split": "val"}], "teacher_weights": f"{ROOT}/w.pth"},
        {"model": {"kind": "open_clip", "name": "ViT", "pretrained": "openai"}},
    ])  # fmt: skip
    assert [one.name for one in found] == ["nuscenes", "w.pth", "open_clip's ViT (openai)"]
    assert Needed("weights", f"{ROOT}/w.pth").is_there(None) is None
    assert Needed("weights", f"{ROOT}/w.pth").is_there(Path("/nowhere")) is False


@pytest.mark.parametrize("name", study_names())
def test_every_study_reads_nothing_but_what_lies_under_its_root(name, tmp_path):
    """A recipe names folders of its own, which a study must replace."""
    plan = plan_of(load_study(name), Place(tmp_path, ROOT, 1))
    assert [one for one in plan.needed if one.path is not None and ROOT not in one.path] == []


@pytest.mark.parametrize("name", ["res16unet_34c", "minkunet_18a", "minkunet_small"])
def test_the_weights_of_a_network_are_counted_without_building_it(name):
    network = MinkUNet(SHAPES[name], 4, None)
    assert weight_count(SHAPES[name], 4) == sum(each.numel() for each in network.parameters())


def test_finished_pre_trainings_are_counted_and_their_hours_told(tmp_path, monkeypatch):
    def pretrained(config):
        folder = Path(config.out)
        folder.mkdir(parents=True)
        (folder / "metrics.jsonl").write_text(json.dumps({"step_seconds": 3600.0, "memory_gb": 2.0}))

    monkeypatch.setattr(pretraining, "pretrain", pretrained)
    fake = dict.fromkeys(("mean_iou", "hours"), lambda *_: Measured(40.0, {}))
    monkeypatch.setattr(pretraining_runs, "_MEASURES", fake)
    study = small_pretraining_study()
    before = {"pre-training": (2, 0), "fine-tuning": (4, 0), "number in the table": (12, 0)}
    assert counts(study, tmp_path) == before
    run_rows(PretrainingRuns(study, Place(tmp_path, "", 1)), ("ours", "ours again"), 0)
    after = {"pre-training": (2, 1), "fine-tuning": (4, 1), "number in the table": (12, 4)}
    assert counts(study, tmp_path) == after
    assert counts(study, tmp_path, ("ours again",))["pre-training"] == (2, 1)  # it shares the runs of `ours`
    assert plan_of(study, Place(tmp_path, "", 4)).cost()[0] == (
        "pre-training ours: 1.00 h, 2.0 GB (measured, n=1); 1 left: 1.00 h"
    )
    changed = small_pretraining_study(pretrain={"learning_rate": 0.1})
    assert counts(changed, tmp_path)["pre-training"] == (2, 0)


def test_finished_stages_of_3dss_vlg_are_counted(tmp_path, fake_stages):
    study = small_language_study()
    before = counts(study, tmp_path)
    assert (before["pseudo-label"], before["specialise"], before["guide"]) == ((4, 0), (2, 0), (2, 0))
    run_rows(LanguageRuns(study, Place(tmp_path, "", 1)), ("full", "ensemble"), 1)
    after = counts(study, tmp_path)
    assert after["image features"][1] is None
    assert after["pseudo-label"] == (4, 1)
    assert after["specialise"] == after["guide"] == (2, 1)
    assert after["number in the table"] == (20, 7)
    assert "1 left" in plan_of(study, Place(tmp_path, "", 1)).cost()[-2]


def test_networks_whose_size_is_not_computed_are_told_so(tmp_path):
    text = "\n".join(plan_lines("table7", tmp_path, None, (), 1))
    assert "checkpoints of waffleiron_48_384: size unknown: computed for MinkUNets only" in text


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda path: plan_lines("table1", path, path / "none", (), 1), "found no folder .*none. Correct --data"),
        (lambda path: plan_lines("table1", path, None, ("nobody",), 1), "'Random', 'PointContrast'"),
        (lambda path: plan_lines("table1", path, None, (), 0), "at least 1"),
        (lambda path: list_lines(path / "none"), "Correct --data"),
    ],
)
def test_wrong_requests_are_refused(act, told, tmp_path):
    with pytest.raises(BadRequest, match=told):
        list(act(tmp_path))
