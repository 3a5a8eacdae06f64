"""Features made by several workers are those of one machine, and so are their errors."""

import sys

import numpy as np
import pytest

from lidar_vl_core.foundation.errors import BadConfig, MissingExtra
from offline_training.words.features import ray_features as ray
from offline_training.words.features.ray_features import _outcome, _Worker
from tests.training.words.features.extraction import extract_config, extracted, feature_files


def _in_worker():
    """What ray_rows() gives, without Ray: workers called one batch after another, the last scenes first."""

    def rows(worker, arguments, samples, workers, cpus, gpus):
        places = [(source, sample) for source, count in enumerate(samples) for sample in range(count)][::-1]
        called = worker(*arguments)
        for place in places:
            columns = called({"source": np.array([place[0]]), "sample": np.array([place[1]])})
            yield {name: column[0] for name, column in columns.items()}

    return rows


@pytest.mark.parametrize("components", [None, 3])
def test_workers_leave_the_bytes_that_one_machine_leaves(tmp_path, boxes, monkeypatch, components):
    monkeypatch.setattr(ray, "ray_rows", _in_worker())
    here, _ = extracted(extract_config(tmp_path / "here", components=components))
    there, _ = extracted(extract_config(tmp_path / "there", components=components, engine="ray"))
    assert feature_files(there.store) == feature_files(here.store)
    assert list(there.scenes) == list(here.scenes)
    first, second = there.statistics(), here.statistics()
    for numbers in (first, second):
        numbers.pop("seconds_per_picture")
    assert first == second


def test_an_error_of_a_worker_is_the_error_of_a_local_run(tmp_path, boxes):
    def fails(config):
        raise BadConfig("no such model")

    columns = _Worker(extract_config(tmp_path / "out"), fails)({"source": np.array([0, 0]), "sample": np.array([1, 2])})
    with pytest.raises(BadConfig, match="no such model"):
        _outcome({name: column[0] for name, column in columns.items()})


def test_without_ray_there_is_one_clear_line(monkeypatch, tmp_path, boxes):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match="engine: ray: needs the extra `ray`"):
        extracted(extract_config(tmp_path / "out", engine="ray"))
