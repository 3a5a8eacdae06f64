"""Synthetic rooms on disk: kept ones are not built again, damaged ones are named, half made ones are made again."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lidar_vl_core.foundation.errors import BadDataset

pytest.importorskip("embreex", reason="the ray caster of lidar-vl[synthetic] is not installed")

from offline_training.datasets.rgbd.synthetic_rooms import RoomSpec, SyntheticRooms
from tests.training.synthetic.rooms.kept_rooms import EXACT, NOISY, SEEDS, folder_of


def test_kept_rooms_are_not_built_again(data, monkeypatch):
    def never(_):
        raise AssertionError("the room was built again")

    monkeypatch.setattr("offline_training.synthetic.rooms.layout.build_room", never)
    heard = []
    data.prepare(on_progress=heard.append)
    assert heard == [2]
    assert len(data[1].views) == 6


def test_rooms_made_by_several_processes_are_the_same(tmp_path):
    spec, heard = RoomSpec(views=1, image_width=32), []
    both = SyntheticRooms(SEEDS, tmp_path / "two", spec)
    both.prepare(workers=2, on_progress=heard.append)
    assert heard == [0, 1, 1]
    for index, sample in enumerate((both[0], both[1])):
        alone = SyntheticRooms(SEEDS, tmp_path / "one", spec)[index]
        assert_array_equal(sample.cloud.xyz_m, alone.cloud.xyz_m)
        assert sample.views[0].read_bytes() == alone.views[0].read_bytes()


def test_rooms_of_other_scans_do_not_share_files(folder):
    assert len(list(folder.iterdir())) == 4
    assert folder_of(folder, 100, EXACT) != folder_of(folder, 100, NOISY)


@pytest.mark.parametrize("damage", ["cloud.npz", "views.npz", "000.jpg", "depth.npz", "truth.npz"])
@pytest.mark.parametrize("kept_share", [0.0, 0.6])
def test_a_damaged_file_is_named(copied, damage, kept_share):
    path = folder_of(copied, 100, EXACT) / damage
    content = path.read_bytes()
    path.write_bytes(content[: int(kept_share * len(content))])
    data = SyntheticRooms([100], copied, EXACT)
    with pytest.raises(BadDataset, match=damage):
        _read_all(data)


def test_a_file_of_another_room_is_refused(folder, copied):
    other = np.load(folder_of(folder, 100, EXACT) / "depth.npz")
    np.savez(folder_of(copied, 100, EXACT) / "depth.npz", **{name: other[name][:10] for name in other.files})
    with pytest.raises(BadDataset, match=r"depth.npz: expected \(72, 96\) uint16 for view 000, found \(10, 96\)"):
        _read_all(SyntheticRooms([100], copied, EXACT))


def _read_all(data: SyntheticRooms) -> None:
    sample = data[0]
    for view in sample.views:
        view.load_rgb()
        view.load_depth_m()
        data.true_class_image(view)


def test_a_room_half_made_is_made_again(copied):
    data = SyntheticRooms([100], copied, EXACT)
    whole = data.views(0)[0].read_bytes()
    path = folder_of(copied, 100, EXACT)
    (path / "views.npz").unlink()  # written last: a killed process leaves this
    (path / "000.jpg").write_bytes(b"")
    assert data.views(0)[0].read_bytes() == whole
