"""calibration-check on recordings: verdicts, files and exit codes."""

import json

import pytest
from PIL import Image

from lidar_vl_core.commands.cli import main
from tests.core.bags.drives import drive, write
from tests.recordings import recordings


@pytest.mark.slow
@pytest.mark.parametrize("bag", recordings("bags/kitti_raw*_mcap"))
def test_a_recorded_drive_with_the_right_calibration_fits_and_gives_figures_and_a_picture(bag, tmp_path, capsys):
    assert main(["calibration-check", str(bag), "--out", str(tmp_path / "out")]) == 0
    told = json.loads((tmp_path / "out" / "calibration.json").read_text())
    for camera in told["cameras"].values():
        assert camera["verdict"] == "fits"
        assert abs(camera["yaw_deg"]["best"]) < 0.4
        assert len(camera["over_time"]) == min(10, camera["frames"])
    assert "fits: the points fit the image best" in capsys.readouterr().out
    assert Image.open(tmp_path / "out" / "calibration.png").width > 720


def test_a_recording_without_cameras_is_refused_in_one_line(tmp_path, capsys):
    bag = write(tmp_path / "run.mcap", [message for message in drive() if "camera" not in message[0]])
    assert main(["calibration-check", str(bag), "--out", str(tmp_path / "out")]) == 2
    assert "expected clouds with images and transforms between them, found none" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
