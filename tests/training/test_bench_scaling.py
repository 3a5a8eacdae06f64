"""What is extrapolated follows from what was measured, and says what it assumes."""

import json
from pathlib import Path

import pytest

from tests.bench.report.slopes import fitted_line
from tests.bench.scaling import vehicle_axes
from tests.bench.scaling.__main__ import main
from tests.bench.scaling.axis import Axis, Ratio, speed_up
from tests.bench.scaling.model import Measured, Scenario, estimates

_LINES = {
    "pictures labelled: time": fitted_line([1, 2, 3], [1.8, 3.6, 5.4]),  # 1.8 s a picture
    "pictures labelled: bytes": fitted_line([1, 2, 3], [0.5, 1.0, 1.5]),
    "samples by Ray: time": fitted_line([1, 2, 3], [0.003, 0.006, 0.009]),
    "points: time": fitted_line([0, 100_000, 200_000], [0, 36, 72]),
    "points: recording": fitted_line([0, 100_000, 200_000], [0, 1, 2]),
    "gradients: time": fitted_line([0, 1, 2], [0, 3, 6]),
}
_RATIOS = {"Ray workers": Ratio("Ray workers", 1.8, 1.6, 2.0, 2, "")}


def _by_name(measured: Measured, scenario: Scenario) -> dict[str, tuple[float, float, float]]:
    return {each.name: (each.value, each.low, each.high) for each in estimates(measured, scenario)}


def test_a_million_frames_take_what_their_pictures_take():
    scenario = Scenario(frames=1_000_000, pictures_per_frame=6, points=100_000, workers=10)
    found = _by_name(Measured(_LINES, _RATIOS), scenario)
    assert found["labels of pictures by ESPNet"] == pytest.approx((3000.0,) * 3)
    assert found["the same on a cluster of Ray"] == pytest.approx((3000 / 9, 3000 / 10, 3000 / 8))
    assert found["labels of pictures on the disk"][0] == pytest.approx(3.0)
    assert found["labels of clouds by the demo model"][0] == pytest.approx(10.0)
    # ray_rows() makes 10,000 tasks at most, each of which costs what four samples did.
    assert found["what Ray Data itself takes of it"][0] == pytest.approx(10_000 * 4 * 0.003 / 60)


def test_pre_training_counts_steps_and_what_processes_send():
    measured = Measured(_LINES, {}, step_cpu_s=[3.6, 3.6, 3.6], batch=2, weights=250_000_000)
    found = _by_name(measured, Scenario(hours=1000, clouds_per_second=2, processes=4))
    assert found["pre-training on one core"] == pytest.approx((3600.0,) * 3)
    # Of 1 GB of gradients each of four processes sends 2 * 3 / 4, at 3 s a GB.
    assert found["the same by processes of torch"][0] == pytest.approx(3600 / 4 * (3.6 + 4.5) / 3.6)


def test_a_fleets_clouds_are_counted_by_the_second():
    scenario = Scenario(points=100_000, vehicles=10, hours_a_day=10, lidar_hz=10)
    assert _by_name(Measured(_LINES, {}), scenario)["a fleet's clouds"][0] == pytest.approx(3.6)


def test_what_was_not_measured_is_not_estimated():
    assert estimates(Measured({}, {}), Scenario()) == []


def test_an_interval_widens_away_from_what_was_measured():
    line = fitted_line([1, 2, 3, 4], [1.0, 2.1, 2.9, 4.0])
    widths = [high - low for low, high in map(line.interval_at, (2.5, 4.0, 100.0))]
    assert widths == sorted(widths)
    assert line.interval_at(2.5)[0] < line.at(2.5) < line.interval_at(2.5)[1]


def test_two_that_take_half_the_time_are_twice_as_fast():
    ratio = speed_up("a", [2.0, 2.02, 1.98], [1.0, 1.01, 0.99], 2, "")
    assert ratio.value == pytest.approx(2.0, rel=1e-3)
    assert ratio.low < 2.0 < ratio.high
    assert ratio.efficiency == pytest.approx(1.0, rel=1e-3)


def test_an_axis_tells_its_slope_and_its_power():
    axis = Axis("a", "points", "ms", (1.0, 2.0, 4.0), (3.0, 6.0, 12.0), "")
    assert axis.line.slope == pytest.approx(3.0)
    assert axis.power.slope == pytest.approx(1.0)


def test_the_command_saves_its_axes_and_leaves_out_what_has_no_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("LIDAR_VL_TEST_DATA", str(tmp_path / "nothing"))
    monkeypatch.setattr(vehicle_axes, "_VOXELS", 500)
    command = ["--out", str(tmp_path), "--only", "classes", "recorded_pictures", "--vehicles", "3"]
    assert main(command) == 0
    assert "left out: needs LIDAR_VL_TEST_DATA" in capsys.readouterr().err
    told = json.loads((tmp_path / "scaling.json").read_text())
    assert [axis["name"] for axis in told["axes"]] == ["classes: time"]
    assert told["scenario"]["vehicles"] == 3
    assert (tmp_path / "scaling.png").stat().st_size > 0
    assert main([*command, "--resume"]) == 0
    assert "classes: saved already" in capsys.readouterr().err
