"""Closed-set networks as labelers of pictures."""

import json

import numpy as np
import pytest

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadConfig, BadModelPackage
from offline_training.weak_labels.classes.ontology import load_ontology
from offline_training.weak_labels.labelers.closed_set import ClosedSetLabeler, _bilinear
from tests.training.weak_labels.array_views import RED

NUSCENES_16 = class_table("nuscenes16")


def _onnx_segmenter(path, batch=None, class_map=False):
    """Logit k is channel k of the input: the brightest channel wins. Optionally its argmax."""
    import onnx
    from onnx import TensorProto, helper

    shape = [batch or "n", 3, 4, 8]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
    nodes = [helper.make_node("Identity", ["image"], ["logits"])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape)]
    if class_map:
        nodes.append(helper.make_node("ArgMax", ["logits"], ["classes"], axis=1, keepdims=0))
        outputs.append(helper.make_tensor_value_info("classes", TensorProto.INT64, [shape[0], 4, 8]))
    graph = helper.make_graph(nodes, "tiny", [image], outputs)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))


def _spec(folder, **changes):
    (folder / "rgb.yaml").write_text(
        json.dumps({
            "name": "rgb",
            "classes": [{"name": name, "color_rgb": RED, "prompts": []} for name in ("red", "green", "blue")],
            "maps_to": {"nuscenes16": {"red": "car", "green": "vegetation"}},
        })
    )  # fmt: skip
    spec = {"model": "net.onnx", "classes": str(folder / "rgb.yaml"), "width": 8, "height": 4,
            "mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0], **changes}  # fmt: skip
    path = folder / "net.yaml"
    path.write_text(json.dumps(spec))
    return path


def _halves(left, right, height=8, width=16):
    image = np.empty((height, width, 3), np.uint8)
    image[:, : width // 2], image[:, width // 2 :] = left, right
    return image


@pytest.mark.parametrize("batch", [None, 2])
@pytest.mark.parametrize("class_map", [False, True])
def test_a_closed_set_network_labels_pictures_of_any_size_in_batches(tmp_path, batch, class_map):
    _onnx_segmenter(tmp_path / "net.onnx", batch, class_map)
    changes = {"output": "class_map", "output_name": "classes"} if class_map else {"scale": 0.1}
    labeler = ClosedSetLabeler(_spec(tmp_path, **changes), load_ontology("nuscenes16"), batch_size=2)
    images = [
        _halves((200, 0, 0), (0, 200, 0)),
        _halves((0, 200, 0), (0, 0, 200), 10, 6),
        _halves((90, 0, 0), (0, 0, 9)),
    ]
    labels = labeler.label(images)
    car, vegetation = NUSCENES_16.id_of("car"), NUSCENES_16.id_of("vegetation")
    assert [(each.class_id[0, 0], each.class_id[-1, -1]) for each in labels] == [
        (car, vegetation),
        (vegetation, 255),
        (car, 255),
    ]
    assert [each.class_id.shape for each in labels] == [(8, 16), (10, 6), (8, 16)]
    assert (labels[0].score >= 250).any()
    assert labels[1].score[-1, -1] == 0


def test_channel_order_normalisation_and_threshold_are_those_of_the_description(tmp_path):
    _onnx_segmenter(tmp_path / "net.onnx")
    red = [_halves((200, 0, 0), (200, 0, 0))]
    as_bgr = ClosedSetLabeler(_spec(tmp_path, channel_order="bgr"), load_ontology("nuscenes16")).label(red)
    assert set(as_bgr[0].class_id.ravel().tolist()) == {255}  # the third channel is blue, which maps to nothing
    shifted = ClosedSetLabeler(_spec(tmp_path, mean=[201.0, 0.0, 0.0]), load_ontology("nuscenes16")).label(red)
    assert set(shifted[0].class_id.ravel().tolist()) == {NUSCENES_16.id_of("vegetation")}
    # Logits (0.2, 0, 0): the softmax of the winner is e^0.2 / (e^0.2 + 2) = 0.379.
    unsure = ClosedSetLabeler(_spec(tmp_path, scale=0.001), load_ontology("nuscenes16")).label(red)
    assert set(unsure[0].score.ravel().tolist()) == {round(255 * np.exp(0.2) / (np.exp(0.2) + 2))}
    strict = ClosedSetLabeler(_spec(tmp_path, scale=0.001, min_score=0.4), load_ontology("nuscenes16")).label(red)
    assert set(strict[0].class_id.ravel().tolist()) == {255}


def test_pictures_are_scaled_as_torch_scales_them():
    import torch

    rng = np.random.default_rng(0)
    for size, wanted in (((7, 11), (4, 5)), ((4, 6), (9, 13)), ((1, 1), (3, 3)), ((5, 8), (5, 8))):
        image = rng.integers(0, 256, (*size, 3), np.uint8)
        planes = torch.tensor(image).permute(2, 0, 1)[None].float()
        reference = torch.nn.functional.interpolate(planes, wanted, mode="bilinear", align_corners=False)
        assert np.abs(_bilinear(image, *wanted) - reference[0].permute(1, 2, 0).numpy()).max() < 1e-3


def test_an_answer_does_not_depend_on_the_other_pictures_of_the_batch(tmp_path):
    _onnx_segmenter(tmp_path / "net.onnx")
    labeler = ClosedSetLabeler(_spec(tmp_path, scale=0.01), load_ontology("nuscenes16"), batch_size=3)
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 256, (8, 16, 3), np.uint8) for _ in range(5)]
    together = labeler.label(images)
    for image, labels in zip(images, together, strict=True):
        alone = labeler.label([image])[0]
        assert (alone.class_id == labels.class_id).all()
        assert (alone.score == labels.score).all()


def test_the_identity_of_a_network_holds_its_file_and_its_description(tmp_path):
    _onnx_segmenter(tmp_path / "net.onnx")
    identities = []
    for changes in ({}, {}, {"min_score": 0.5}, {"ignored_values": [2]}):
        identities.append(ClosedSetLabeler(_spec(tmp_path, **changes), load_ontology("nuscenes16")).identity())
    _onnx_segmenter(tmp_path / "net.onnx", batch=1)
    identities.append(ClosedSetLabeler(_spec(tmp_path), load_ontology("nuscenes16")).identity())
    texts = [json.dumps(each, sort_keys=True) for each in identities]
    assert texts[0] == texts[1]
    assert len(set(texts)) == 4
    assert str(tmp_path / "net.onnx") not in texts[0]


NETWORK_FAULTS = {
    "unknown key": ({"size": 3}, BadConfig),
    "std of zero": ({"std": [1.0, 0.0, 1.0]}, BadConfig),
    "an output that is not there": ({"output_name": "masks"}, BadConfig),
    "logits taken for a class map": ({"output": "class_map"}, BadModelPackage),
    "a model that is not there": ({"model": "absent.onnx"}, BadModelPackage),
    "another input size": ({"width": 9}, BadModelPackage),
}


@pytest.mark.parametrize("case", NETWORK_FAULTS)
def test_a_description_that_does_not_fit_its_network_is_refused(case, tmp_path):
    changes, error = NETWORK_FAULTS[case]
    _onnx_segmenter(tmp_path / "net.onnx")
    with pytest.raises(error):
        ClosedSetLabeler(_spec(tmp_path, **changes), load_ontology("nuscenes16")).label([_halves((9, 0, 0), (0, 9, 0))])


def test_a_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"no model")
    with pytest.raises(BadModelPackage, match="ONNX"):
        ClosedSetLabeler(_spec(tmp_path), load_ontology("nuscenes16"))
