"""Stages are done once, again where something before them changed, and a failure says which one and what to do."""

import json
from pathlib import Path

import pytest

from lidar_vl_core.foundation.errors import BadDataset, BadRequest
from offline_training.from_bags.ledger import Ledger


def run(folder, settings=("a", "b"), fails=None, said=None):
    """Two stages; returns which of them were worked at."""
    worked = []

    def work(name):
        if name == fails:
            raise BadDataset("drive.mcap: expected clouds, found none. Record some.")
        worked.append(name)
        return {"by": name}

    ledger = Ledger(folder, 2, [].append if said is None else said.append)
    found = [
        ledger.stage(name, each, lambda name=name: work(name))
        for name, each in zip(("one", "two"), settings, strict=True)
    ]
    assert found == [{"by": "one"}, {"by": "two"}]
    assert set(ledger.seconds) == {"one", "two"}
    return worked


def test_what_is_done_is_not_done_again(tmp_path):
    said = []
    assert run(tmp_path) == ["one", "two"]
    assert run(tmp_path, said=said) == []
    assert said == ["[1/2] one: done before", "[2/2] two: done before"]


def test_a_changed_setting_does_its_stage_and_those_after_it_again(tmp_path):
    run(tmp_path)
    assert run(tmp_path, ("a", "other")) == ["two"]
    assert run(tmp_path, ("other", "other")) == ["one", "two"]


def test_a_failure_names_its_stage_and_the_next_run_goes_on_from_there(tmp_path):
    with pytest.raises(BadRequest) as raised:
        run(tmp_path, fails="two")
    assert str(raised.value) == (
        "stage 2 of 2, two: drive.mcap: expected clouds, found none. Record some. Then run the same command again: it resumes at "
        "this stage."
    )
    assert run(tmp_path) == ["two"]


def test_a_damaged_entry_is_done_again(tmp_path):
    run(tmp_path)
    path = tmp_path / "1_one.json"
    whole = json.loads(path.read_text())
    changed = [{**whole, key: wrong} for key in ("seconds", "found") for wrong in (None, "x", [], True)]
    for text in ('{"settings_sha256": ', "3", "[]", '"x"', *map(json.dumps, changed)):
        path.write_text(text)
        assert run(tmp_path) == ["one"], text


@pytest.mark.parametrize("text", ["3", "[1]", '"x"', "{"])
def test_a_damaged_list_of_recordings_is_no_list_of_others(text, tmp_path):
    folder = tmp_path / "run" / "stages"
    Ledger(folder, 2, print).require_same_recordings({"a.mcap": []})
    (folder / "recordings.json").write_text(text)
    Ledger(folder, 2, print).require_same_recordings({"a.mcap": []})
    (folder.parent / "pretrain").mkdir()
    (folder / "recordings.json").write_text(text)
    with pytest.raises(BadRequest, match="expected a new folder"):
        Ledger(folder, 2, print).require_same_recordings({"a.mcap": []})


def test_results_of_other_recordings_are_not_mixed_with_these(tmp_path):
    folder = tmp_path / "run" / "stages"
    Ledger(folder, 2, print).require_same_recordings({"a.mcap": [["a.mcap", 10, 5]]})
    Ledger(folder, 2, print).require_same_recordings({"a.mcap": [["a.mcap", 10, 5]]})
    with pytest.raises(BadRequest, match=r"results of a\.mcap as they were then\. Choose another --out"):
        Ledger(folder, 2, print).require_same_recordings({"a.mcap": [["a.mcap", 11, 6]]})


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(BadRequest, match=r"found thesis\.tex there\. Choose another --out"):
        Ledger(tmp_path / "stages", 2, print).require_same_recordings({"a.mcap": []})
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_stage_whose_files_are_gone_is_done_again(tmp_path):
    made = tmp_path / "made"

    def work():
        made.write_text("")
        return {"file": str(made)}

    told = []
    for _ in range(3):
        Ledger(tmp_path, 1, told.append).stage("one", None, work, lambda found: Path(found["file"]).is_file())
        if len(told) == 2:
            made.unlink()
    assert told == ["[1/1] one", "[1/1] one: done before", "[1/1] one"]
