"""The study of refined pseudo labels: its rows differ in refinement alone, and its table pairs the rooms."""

import json

from offline_training.reproduction.base.cells import Place, slug
from offline_training.reproduction.base.paired import paired_interval
from offline_training.reproduction.language.language_runs import LanguageRuns
from offline_training.reproduction.language.language_stages import stage_files
from offline_training.reproduction.studies import load_study
from tests.bench.training import refined_labels


def test_no_row_trains_a_network_and_all_read_the_same_features(tmp_path):
    study = load_study(refined_labels.STUDY)
    runs = LanguageRuns(study, Place(tmp_path, "", 1))
    for row in study.rows:
        assert [*stage_files(runs.config(row, 0), row)] == ["pseudo_label"]
    assert len(runs.feature_configs(study.rows)) == 1


def test_the_table_pairs_each_row_with_the_first_room_by_room(tmp_path, monkeypatch, capsys):
    counts = {"as they are": [(90, 60), (80, 40), (70, 35)], "other": [(45, 40), (40, 30), (0, 0)]}
    for row in load_study(refined_labels.STUDY).rows:
        rooms = counts["as they are" if row.name == "as they are" else "other"]
        scenes = {f"room{k}": {"known": 100, "labelled": lab, "right": right} for k, (lab, right) in enumerate(rooms)}
        path = tmp_path / "runs" / slug(row.name) / "seed0" / "pseudo_labels" / "statistics.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"against_truth": {"scenes": scenes}}))
    monkeypatch.setattr("sys.argv", ["refined_labels", str(tmp_path)])
    refined_labels.main()
    lines = capsys.readouterr().out.splitlines()
    assert "| as they are | 55.6 | | 80.0 | |" in lines
    accuracy = [100 * (40 / 45 - 60 / 90), 100 * (30 / 40 - 40 / 80)]  # a room without a label has no accuracy
    low, high = paired_interval(accuracy)
    other = next(line for line in lines if line.startswith("| no class lists"))
    assert f"| 81.9 | {sum(accuracy) / 2:+.1f} ({low:+.1f} to {high:+.1f}) |" in other
    assert "| 28.3 | -51.7 (" in other
