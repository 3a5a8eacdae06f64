"""ESPNet as a labeler: the published label maps again, through the interface of every labeler."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig
from offline_training.networks.image.espnet import ESPNet
from offline_training.weak_labels.classes.ontology import load_ontology
from offline_training.weak_labels.labelers.espnet_labeler import EspnetLabeler

_WEIGHTS = "weights_small/espnet_p_2_q_8_cityscapes.safetensors"
_PICTURE = "pandaset_002/camera/front_camera/04"


def read(path):
    from PIL import Image

    with Image.open(path) as image:
        return np.array(image)


@pytest.mark.slow
def test_the_published_maps_come_out_and_map_to_other_classes(real_data):
    image = read(next(real_data.glob(f"{_PICTURE}.*")))[..., :3]
    published = read(real_data / "weak_labels_espnet" / f"{_PICTURE}.png")
    expected = np.where(published == 19, 255, published)

    spoken = EspnetLabeler(real_data / _WEIGHTS, load_ontology("cityscapes")).label([image])[0]
    assert np.mean(spoken.class_id == expected) > 0.9999
    assert (spoken.score[spoken.class_id != 255] > 0).all()
    assert not spoken.score[spoken.class_id == 255].any()

    nuscenes = load_ontology("nuscenes16")
    labeler = EspnetLabeler(real_data / _WEIGHTS, nuscenes)
    mapped = labeler.label([image])[0]
    mapped.require_classes(labeler.ontology)
    assert (mapped.class_id[spoken.class_id == 13] == nuscenes.names.index("car")).all()
    assert (mapped.class_id[spoken.class_id == 10] == 255).all()  # sky


@pytest.fixture
def small_labeler(tmp_path):
    """A network of random weights whose classes are nuScenes' own."""
    torch.manual_seed(0)
    nuscenes = load_ontology("nuscenes16")
    save_file(ESPNet(len(nuscenes)).state_dict(), tmp_path / "toy.safetensors")
    return EspnetLabeler(tmp_path / "toy.safetensors", nuscenes, spoken=nuscenes, input_size=(16, 32))


@pytest.mark.slow
def test_pictures_of_any_size_are_labelled_each_for_itself(small_labeler):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((9, 30), (40, 20), (1, 1))]
    together = small_labeler.label(images)
    for image, labels in zip(images, together, strict=True):
        assert labels.class_id.shape == image.shape[:2]
        assert np.array_equal(small_labeler.label([image])[0].class_id, labels.class_id)


def test_the_identity_tells_models_and_sizes_apart(small_labeler, tmp_path):
    nuscenes = load_ontology("nuscenes16")
    path = tmp_path / "toy.safetensors"
    same = EspnetLabeler(path, nuscenes, spoken=nuscenes, input_size=(16, 32))
    larger = EspnetLabeler(path, nuscenes, spoken=nuscenes, input_size=(32, 32))
    assert same.identity() == small_labeler.identity() != larger.identity()


def test_weights_of_other_classes_and_odd_sizes_are_refused(small_labeler, tmp_path):
    path = tmp_path / "toy.safetensors"
    with pytest.raises(
        BadCheckpoint, match="expected ESPNet with 19 classes, or one more for unlabelled pixels, found 16"
    ):
        EspnetLabeler(path, load_ontology("nuscenes16"))
    with pytest.raises(BadConfig, match="multiples of 8"):
        EspnetLabeler(path, load_ontology("nuscenes16"), input_size=(16, 30))
    with pytest.raises(BadCheckpoint, match="found none"):
        EspnetLabeler(tmp_path / "absent.pth", load_ontology("nuscenes16"))
