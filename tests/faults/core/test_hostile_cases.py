"""Hostile inputs that once got through: each ends in one typed line or is read right, in little time and memory.

The files are no part of the repository (`real_data`). Their neighbours, made here, are in bags/, packages/ and
tests/core/clouds/files/test_hostile_cloud_files.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from lidar_vl_core.foundation.errors import BadModelPackage
from lidar_vl_core.model_packages.language_files import require_encoder
from tests.recordings import REAL

_REPOSITORY = Path(__file__).resolve().parents[3]
_CASES = sorted(path.relative_to(REAL) for path in REAL.glob("hostile_cases/*/*"))
_READ = ("datacrc", "datacrc_flip", "dup60", "esc", "many400000", "fuzz_s1_273")  # the others are refused
_TOLD = {  # what reading on tells
    "datacrc_flip": "at least one message is altered",
    "dup60": "expected 60 messages as its summary says, found 1",
    "fuzz_s1_273": "found 1 damaged",
}


@pytest.fixture(scope="module")
def outcomes(real_data, tmp_path_factory):
    """Of every case: exit code, output, seconds and the peak of memory; all of them in one process, as a service has them."""
    out = tmp_path_factory.mktemp("hostile") / "outcomes.json"
    command = [sys.executable, "-m", "tests.faults.trials.hostile_cases", str(out), *map(str, _CASES)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    child = subprocess.run(command, cwd=_REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr[-2000:]
    return json.loads(out.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("case", _CASES, ids=str)
def test_a_case_is_refused_in_one_line_or_read_right_in_little_time_and_memory(outcomes, case, figures):
    outcome = outcomes[str(case)]
    assert outcome["s"] < 20
    assert outcome["mb"] < 1000
    if case.stem in _READ and case.suffix == ".mcap":
        assert outcome["code"] == 0
        assert _TOLD.get(case.stem, "") in outcome["out"]
        assert outcome["out"].replace("\n", "").isprintable()
        is_cut = (
            case.stem == "many400000" and "part of it is left out" in outcome["out"]
        )  # by a machine too slow for all of it
        assert ("warning" in outcome["out"]) == (case.stem in _TOLD or is_cut)
    else:
        assert outcome["code"] == 2
        assert len(outcome["err"].splitlines()) == 1
        assert case.name in outcome["err"] or "found no hash" in outcome["err"]
        assert len(outcome["err"]) < 1600
    figures.count("hostile cases", 1)
    figures.most("s at most", outcome["s"])
    figures.most("MB at most", outcome["mb"])


def test_the_encoder_with_weights_in_a_branch_is_refused(real_data):
    content = (real_data / "hostile_cases/packages/text_encoder_subgraph_external.onnx").read_bytes()
    model = onnx.load_from_string(content)
    inputs, outputs = ({each.name for each in values} for values in (model.graph.input, model.graph.output))
    with pytest.raises(BadModelPackage, match="expected all weights inside"):
        require_encoder(content, inputs, outputs, "text_encoder.onnx")
