"""Pre-training on several data sets: each is learned from, its loss is told, and no scales are mixed in silence."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig, BadDataset
from offline_training.pretraining import pretrain as pretrain_module
from offline_training.pretraining import run as run_module
from offline_training.pretraining.known_methods import METHODS
from offline_training.pretraining.losses_of_sources import losses_of_sources
from offline_training.pretraining.pretrain import pretrain
from offline_training.pretraining.several_sources import intensity_factors, require_pictures, scaled
from offline_training.runs.checkpoint import load_checkpoint
from tests.training.pretraining.pretrain_scenes import Rooms, config, of_store
from tests.training.training_log import lines, losses

TWO = [{"kind": "pandaset", "folder": "one", "weight": 3.0}, {"kind": "pandaset", "folder": "two", "weight": 1.0}]


class OtherRooms(Rooms):
    """Rooms of another sensor: one camera of another size, fewer points, darker intensities."""

    def __init__(self, brightness: float = 0.5, pictures: bool = True) -> None:
        super().__init__(6, points=300)
        self.brightness, self.pictures = brightness, pictures

    def __getitem__(self, index):
        sample = super().__getitem__(index)
        cloud = replace(sample.cloud, intensity=sample.cloud.intensity * np.float32(self.brightness))
        view = sample.views[0]
        rgb = np.repeat(np.repeat(view.load_rgb(), 2, axis=0), 2, axis=1)
        K = np.array([[80.0, 0.0, 64.0], [0.0, 80.0, 48.0], [0.0, 0.0, 1.0]])
        large = CameraView("only", CameraModel(128, 96, K), view.T_cam_lidar, 0, lambda: rgb)
        return replace(sample, cloud=cloud, views=(large,) if self.pictures else ())


class Darker(Rooms):
    """Rooms of a sensor that counts to 255 where others count to 1."""

    def __getitem__(self, index):
        sample = super().__getitem__(index)
        intensity = sample.cloud.intensity * np.float32(1 / 255)
        return replace(sample, cloud=replace(sample.cloud, intensity=intensity))


def use(monkeypatch, *sources):
    by_folder = dict(zip(("one", "two"), sources, strict=True))
    monkeypatch.setattr(pretrain_module, "open_source", lambda source, *_: by_folder[source.folder])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"train": TWO}, "set order: weights"),
        ({"train": TWO[:1], "order": "weights"}, "with several data sets in train"),
        ({"train": [{**TWO[0], "weight": 0.0}, TWO[1]], "order": "weights"}, "weight"),
        ({"train": [{**TWO[0], "weight": "many"}, TWO[1]], "order": "weights"}, "weight"),
    ],
)
def test_weights_that_mean_nothing_are_refused(tmp_path, changes, told):
    with pytest.raises(BadConfig, match=told):
        config(tmp_path, **changes)


@pytest.mark.parametrize("method", ["ppkt", "pointcontrast"])
def test_a_run_on_two_sensors_counts_their_scans_and_goes_on_to_the_same_losses(tmp_path, monkeypatch, method):
    use(monkeypatch, Rooms(), OtherRooms())
    changes = {"method": method, "train": TWO, "order": "weights", "batch_size": 4, "final_rate": 1.0}
    whole = pretrain(config(tmp_path / "whole", max_steps=4, **changes))
    assert [("loss_0_pandaset" in line) for line in lines(tmp_path / "whole")] == [True, False, False, False]
    for line in lines(tmp_path / "whole"):
        assert (line["scans_0_pandaset"], line["scans_1_pandaset"]) == (3.0, 1.0)
    pretrain(config(tmp_path / "parts", max_steps=2, **changes))
    parts = pretrain(config(tmp_path / "parts", max_steps=4, **changes))
    assert losses(tmp_path / "whole") == losses(tmp_path / "parts")
    assert load_checkpoint(parts).step == load_checkpoint(whole).step == 4
    other = [TWO[0], {**TWO[1], "weight": 2.0}]
    with pytest.raises(BadCheckpoint, match="train"):
        pretrain(config(tmp_path / "parts", max_steps=6, **{**changes, "train": other}))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_from_two_data_sets_with_intensities_made_even(tmp_path, monkeypatch, labels, method):
    use(monkeypatch, Rooms(), Darker(points=300))  # the same pictures, of which the store has labels
    changes = {"train": TWO, "order": "weights", "intensity_scales": "even", "batch_size": 4, "max_steps": 1}
    pretrain(config(tmp_path / "run", method=method, **changes, **of_store(method, labels)))
    (line,) = lines(tmp_path / "run")
    assert (line["scans_0_pandaset"], line["scans_1_pandaset"]) == (3.0, 1.0)
    assert np.isfinite([line["loss"], line["loss_0_pandaset"], line["loss_1_pandaset"]]).all()
    if method != "depthcontrast":  # whose queue of negatives is still empty
        assert line["loss_0_pandaset"] != line["loss_1_pandaset"]
    monkeypatch.setattr(run_module, "losses_of_sources", lambda *_: {})  # measuring them changes nothing
    pretrain(config(tmp_path / "without", method=method, **changes, **of_store(method, labels)))
    (without,) = lines(tmp_path / "without")
    assert (without["loss"], without["gradient_norm"]) == (line["loss"], line["gradient_norm"])
    tensors = [load_checkpoint(tmp_path / name / "checkpoints").tensors for name in ("run", "without")]
    assert all(torch.equal(tensor, tensors[1][name]) for name, tensor in tensors[0].items())


@pytest.mark.parametrize("method", METHODS)
def test_the_loss_on_all_scans_is_the_loss_itself_and_state_stays(tmp_path, monkeypatch, labels, method):
    use(monkeypatch, Rooms(), Rooms(2, points=300))

    def measured(objective, features, teacher_map, batch, step, scans_of):
        before = {name: tensor.clone() for name, tensor in objective.state_dict().items()}
        found = losses_of_sources(objective, features, teacher_map, batch, step, {"all": np.ones(4, bool)})["loss_all"]
        assert all(torch.equal(tensor, before[name]) for name, tensor in objective.state_dict().items())
        expected = objective(features, teacher_map, batch, step, torch.Generator().manual_seed(step))["loss"]
        objective.load_state_dict(before)
        assert found == pytest.approx(float(expected.detach()), rel=1e-6)
        done.append(step)
        return {}

    done = []
    monkeypatch.setattr(run_module, "losses_of_sources", measured)
    changes = {"train": TWO, "order": "weights", "batch_size": 4, "max_steps": 1}
    pretrain(config(tmp_path, method=method, **changes, **of_store(method, labels)))
    assert done == [0]


def test_losses_of_data_sets_are_means_over_their_own_pairs(tmp_path, monkeypatch):
    use(monkeypatch, Rooms(), Rooms(2, points=300))

    def measured(objective, features, teacher_map, batch, step, scans_of):
        losses = losses_of_sources(objective, features, teacher_map, batch, step, scans_of)
        pairs = [len(batch.of_scans(torch.from_numpy(chosen)).pair_row) for chosen in scans_of.values()]
        assert sum(pairs) == len(batch.pair_row)
        whole = objective(features, teacher_map, batch, step, torch.Generator())["loss"]
        parts = losses["loss_0_pandaset"] * pairs[0] + losses["loss_1_pandaset"] * pairs[1]
        assert parts == pytest.approx(float(whole.detach()) * sum(pairs), rel=1e-5)
        return losses

    monkeypatch.setattr(run_module, "losses_of_sources", measured)
    pretrain(config(tmp_path, method="cleverdistiller", train=TWO, order="weights", batch_size=4, max_steps=1))
    assert "loss_1_pandaset" in lines(tmp_path)[0]


@pytest.mark.skipif(find_spec("embreex") is None, reason="synthetic streets are made with the extra `synthetic`")
def test_two_synthetic_sensors_of_other_beams_are_learned_from_together(tmp_path):
    street = {"kind": "synthetic", "folder": str(tmp_path / "streets"), "streets": 1, "frames_per_street": 2}
    train = [{**street, "lidar": "hdl32"}, {**street, "variety": "wide", "first_seed": 7, "weight": 2.0}]
    range_m = [-32.0, -32.0, -8.0, 32.0, 32.0, 8.0]
    asked = {"train": train, "order": "weights", "intensity_scales": "even", "method": "pointcontrast"}
    pretrain(config(tmp_path / "run", **asked, batch_size=3, max_steps=2, point_cloud_range=range_m))
    for line in lines(tmp_path / "run"):
        assert (line["scans_0_synthetic"], line["scans_1_synthetic"]) == (1.0, 2.0)
        assert line["matches"] > 0


def test_scans_of_one_name_in_two_data_sets_are_kept_apart_in_the_pair_cache(tmp_path):
    run = config(tmp_path, method="ppkt", train=TWO, order="weights", pair_cache=str(tmp_path / "cache"))
    views = METHODS["ppkt"].views(run, None)
    for source in (Rooms(), OtherRooms(), Rooms(), OtherRooms()):  # the second time from the cache
        drawn = views(source, 0, np.random.default_rng(0))
        assert len(drawn.images) == len(source[0].views)


def test_intensities_of_unlike_scales_are_refused_or_made_even_as_asked(tmp_path, monkeypatch):
    sources = [Rooms(), OtherRooms(1 / 255)]
    named = {"train": TWO, "order": "weights", "method": "ppkt", "features": ["intensity", "height"]}
    with pytest.raises(
        BadConfig, match=r"found pandaset one 0\.9\d*, pandaset two 0\.0038\d*\. Set intensity_scales: even"
    ):
        intensity_factors(config(tmp_path, **named), sources)
    even = intensity_factors(config(tmp_path, **named, intensity_scales="even"), sources)
    bright = [
        np.percentile(source[0].cloud.intensity * factor, 99) for source, factor in zip(sources, even, strict=True)
    ]
    assert bright == pytest.approx([1.0, 1.0], abs=0.02)
    assert intensity_factors(config(tmp_path, **named, intensity_scales="as_measured"), sources) == (1.0, 1.0)
    without = {**named, "features": ["height"]}
    assert intensity_factors(config(tmp_path, **without), sources) == (1.0, 1.0)
    assert intensity_factors(config(tmp_path, **named), [Rooms(), OtherRooms(0.5)]) == (1.0, 1.0)


def test_made_even_intensities_stay_within_one(tmp_path):
    sample = Rooms()[0]
    one, other = scaled((sample.cloud, sample.cloud), 3.0)
    assert one.intensity.max() == other.intensity.max() == 1.0
    assert one.intensity[1] == pytest.approx(3 * sample.cloud.intensity[1])
    assert scaled(sample.cloud, 1.0) is sample.cloud


def test_a_data_set_without_pictures_is_named_where_a_method_needs_them(tmp_path):
    sources = [Rooms(), OtherRooms(pictures=False)]
    with pytest.raises(BadDataset, match="two: expected images with the scans, because method ppkt"):
        require_pictures(config(tmp_path, method="ppkt", train=TWO, order="weights"), sources)
    require_pictures(config(tmp_path, method="pointcontrast", train=TWO, order="weights"), sources)
