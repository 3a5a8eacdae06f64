"""The specs of the data sets: what each tells, which keys each takes, and that it refuses those it would not read."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import offline_training
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.config import Config, validated
from lidar_vl_core.foundation.errors import BadConfig
from offline_training.cli.main import main
from offline_training.datasets.base.source_config import SourceConfig
from offline_training.datasets.data_set_table import data_set_table
from offline_training.datasets.data_sources import SPECS, DataSource, data_set_spec, data_source

CONFIGS = sorted((Path(offline_training.__file__).parent / "configs").rglob("*.yaml"))
EVERY_KEY = sorted({key for spec in SPECS for key in spec.source.model_fields})
each_data_set = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)


class Run(Config):
    train: tuple[DataSource, ...]


@each_data_set
def test_keys_that_a_data_set_would_not_read_are_refused_with_the_keys_it_has(spec):
    own = set(spec.source.model_fields)
    for key in [key for key in EVERY_KEY if key not in own] + ["foldr"]:
        with pytest.raises(
            BadConfig, match=f"here: {spec.kind}: expected only the keys .* for kind {spec.kind}, found {key}"
        ) as told:
            data_source({"kind": spec.kind, "folder": "x", key: 1}, "here")
        assert all(mine in str(told.value) for mine in own)


def test_a_refusal_names_the_place_the_kind_and_every_key_that_does_nothing():
    wrong = {"kind": "nuscenes", "folder": "x", "streets": 3, "rooms": 5}
    with pytest.raises(
        BadConfig, match=r"here: train\.1\.nuscenes: expected only the keys .* for kind nuscenes, found streets, rooms"
    ):
        validated(Run, {"train": [{"kind": "pandaset", "folder": "x"}, wrong]}, "here")


@each_data_set
def test_a_stored_configuration_is_read_back_as_it_was(spec):
    run = Run(train=(spec.source(folder="x", weight=2.0),))
    assert validated(Run, run.model_dump(mode="json"), "stored") == run
    assert type(data_source(run.train[0].model_dump(mode="json"), "stored")) is spec.source


def test_a_source_without_kind_is_refused():
    with pytest.raises(BadConfig, match="here: kind: expected a name, found None"):
        data_source({"folder": "x"}, "here")
    with pytest.raises(BadConfig, match=r"here: train\.0\.kind: expected one of daps3d, .*, found 'waymo'"):
        validated(Run, {"train": [{"kind": "waymo", "folder": "x"}]}, "here")
    with pytest.raises(BadConfig, match="found 'waymo'"):
        data_set_spec("waymo")


@each_data_set
def test_a_data_set_says_what_every_key_is_and_names_class_tables_that_exist(spec):
    assert all(field.description for key, field in spec.source.model_fields.items() if key != "kind")
    assert all(class_table(name).name == name for name in spec.classes)
    assert spec.layout.line()
    assert all(parts for parts in spec.splits.values())


@each_data_set
def test_a_data_set_with_splits_takes_them_by_name_and_others_have_no_such_key(spec):
    assert bool(spec.splits) == ("split" in spec.source.model_fields)
    for split, parts in spec.splits.items():
        source = data_source({"kind": spec.kind, "folder": "x", "split": split}, "here")
        assert spec.chosen_sequences(source) == parts


def test_a_weight_by_which_nothing_could_be_drawn_is_refused():
    for weight in (0.0, -1.0):
        with pytest.raises(BadConfig, match=r"here: pandaset\.weight: .* a number above 0"):
            data_source({"kind": "pandaset", "folder": "x", "weight": weight}, "here")


def test_every_kind_is_there_once():
    kinds = [spec.kind for spec in SPECS]
    assert len(kinds) == len(set(kinds))


def _sources(content: object) -> Iterator[dict]:
    kinds = {spec.kind for spec in SPECS}
    if isinstance(content, dict):
        if content.get("kind") in kinds and "folder" in content:
            yield content
        content = list(content.values())
    if isinstance(content, list):
        for part in content:
            yield from _sources(part)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_no_delivered_configuration_names_a_key_that_does_nothing(path):
    for source in _sources(yaml.safe_load(path.read_text())):
        chosen = data_source(source, str(path))
        data_set_spec(chosen.kind).chosen_sequences(chosen)


def test_the_table_tells_every_data_set_its_layout_and_its_keys(capsys):
    table = data_set_table()
    for spec in SPECS:
        assert f"### `{spec.kind}`" in table
        assert spec.layout.tree() in table
        assert set(spec.source.model_fields) - set(SourceConfig.model_fields) <= set(table.replace("`", " ").split())
    with pytest.raises(SystemExit) as end:
        main(["check-data", "--list"])
    assert end.value.code == 0
    assert capsys.readouterr().out == table + "\n"


def test_the_data_sets_are_listed_without_torch():
    heavy = "{'torch', 'numba', 'scipy', 'rosbags'}"
    code = f"import offline_training.datasets.check_data, sys; sys.exit(str({heavy} & set(sys.modules) or ''))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert ended.stderr.strip() == ""
