"""Weak labels: ontologies, masks to classes, labels that lie ready, closed-set networks, and the engine over views."""

import json
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lidar_vl_core.camera import CameraModel
from lidar_vl_core.camera_view import CameraView
from lidar_vl_core.config import load_config, load_yaml, parse_overrides, validated
from lidar_vl_core.errors import BadConfig, BadDataset, BadLabels, BadModelPackage, BadRequest
from lidar_vl_core.geometry import RigidTransform
from lidar_vl_core.labels import NUSCENES_16
from offline_training.cli import main
from offline_training.datasets.pandaset import PandaSet
from offline_training.datasets.ros_bag import RosBag
from offline_training.datasets.semantic_kitti import SemanticKitti
from offline_training.weak_labels.class_values import class_values
from offline_training.weak_labels.closed_set import ClosedSetLabeler, _bilinear
from offline_training.weak_labels.label_store import LabelStore
from offline_training.weak_labels.label_views import label_views
from offline_training.weak_labels.mask_painting import paint
from offline_training.weak_labels.ontology import Ontology, load_ontology
from offline_training.weak_labels.picture_path import PicturePath
from offline_training.weak_labels.precomputed import PrecomputedLabels
from offline_training.weak_labels.store_section import content_sha256
from offline_training.weak_labels.weak_label import report_lines, weak_label
from offline_training.weak_labels.weak_label_config import WeakLabelConfig
from offline_training.weak_labels.weak_labeler import WeakLabels

ONTOLOGIES = ("grounded_sam_nuscenes", "seem_nuscenes", "nuscenes16", "cityscapes")
RED = [200, 0, 0]


def _camera(width, height):
    return CameraModel(width, height, np.array([[50.0, 0, width / 2], [0, 50.0, height / 2], [0, 0, 1]]))


def _view(rgb, name="front", stamp_ns=1_000, file=None, size=None, read_bytes=None):
    height, width = rgb.shape[:2] if size is None else size
    still = RigidTransform(np.eye(3), np.zeros(3))
    return CameraView(name, _camera(width, height), still, stamp_ns, lambda: rgb, read_bytes, file)


def _ontology(*names):
    return validated(
        Ontology,
        {"name": "test", "classes": [{"name": n, "color_rgb": RED, "prompts": [n]} for n in names]},
        "test",
    )


# --- ontologies


@pytest.mark.parametrize("name", ONTOLOGIES)
def test_the_shipped_ontologies_hold_and_map_into_nuscenes(name):
    ontology = load_ontology(name)
    assert ontology.name == name
    to_nuscenes = class_values(ontology, load_ontology("nuscenes16"), ()).class_of_value
    assert set(to_nuscenes[: len(ontology)].tolist()) <= {*range(16), 255}
    assert (to_nuscenes[: len(ontology)] < 16).sum() >= 13
    assert set(to_nuscenes[len(ontology) : 255].tolist()) == {-1}


def test_nuscenes16_is_the_class_table_of_the_core_with_several_prompts_each():
    ontology = load_ontology("nuscenes16")
    assert ontology.class_table == NUSCENES_16
    assert all(len(each.prompts) >= 2 for each in ontology.classes)


def test_olivines_words_and_ids_are_kept():
    grounded = load_ontology("grounded_sam_nuscenes")
    assert ".".join(prompt for _, prompt in grounded.prompts) + "." == (
        "barrier.bicycle.bus.car.motorcycle.pedestrian.traffic cone.truck.road.sidewalk.terrain.vegetation.building."
    )
    assert (grounded.names.index("background"), grounded.names.index("building"), len(grounded)) == (0, 13, 14)
    seem = load_ontology("seem_nuscenes")
    assert (seem.names[0], seem.names[10], seem.names[16], len(seem)) == ("barrier", "road", "background", 17)
    # Section 3.2 of the facts: SEEM id -> lidarseg evaluation id (1-based there).
    expected = [1, 2, 3, 4, 10, 9, 6, 5, 7, 8, 11, 13, 14, 16, 15, 12]
    values = class_values(seem, load_ontology("nuscenes16"), ())
    assert (values.class_of_value[:16] + 1).tolist() == expected
    assert values.class_of_value[16] == 255


CAR = {"name": "car", "color_rgb": RED, "prompts": ["car"]}
BAD_ONTOLOGIES = {
    "unknown key": {"name": "x", "classes": [{**CAR, "synonyms": ["auto"]}]},
    "no classes": {"name": "x", "classes": []},
    "class twice": {"name": "x", "classes": [CAR, {**CAR, "prompts": ["auto"]}]},
    "prompt twice": {"name": "x", "classes": [CAR, {**CAR, "name": "auto", "prompts": ["Car"]}]},
    "empty prompt": {"name": "x", "classes": [{**CAR, "prompts": [""]}]},
    "prompt of blanks": {"name": "x", "classes": [{**CAR, "prompts": ["  "]}]},
    "prompts left out": {"name": "x", "classes": [{"name": "car", "color_rgb": RED}]},
    "colour out of range": {"name": "x", "classes": [{**CAR, "color_rgb": [0, 0, 256]}]},
    "map from no class": {"name": "x", "classes": [CAR], "maps_to": {"nuscenes16": {"truck": "truck"}}},
    "256 classes": {"name": "x", "classes": [{**CAR, "name": f"c{k}", "prompts": []} for k in range(256)]},
}


@pytest.mark.parametrize("case", BAD_ONTOLOGIES)
def test_an_ontology_with_a_fault_is_refused(case):
    with pytest.raises(BadConfig):
        validated(Ontology, BAD_ONTOLOGIES[case], case)


def test_an_unknown_ontology_lists_those_there_are():
    with pytest.raises(BadConfig, match=r"cityscapes.*nuscenes16"):
        load_ontology("coco")


def test_a_fingerprint_changes_with_prompts_and_order_but_not_with_colours():
    base = {"name": "x", "classes": [CAR, {"name": "bus", "color_rgb": RED, "prompts": ["bus"]}]}
    other_colour = {"name": "x", "classes": [{**CAR, "color_rgb": [1, 2, 3]}, base["classes"][1]]}
    other_prompt = {"name": "x", "classes": [{**CAR, "prompts": ["automobile"]}, base["classes"][1]]}
    other_order = {"name": "x", "classes": base["classes"][::-1]}
    first, *others = (
        validated(Ontology, each, "x").fingerprint for each in (base, other_colour, other_prompt, other_order)
    )
    assert [first == other for other in others] == [True, False, False]


def test_values_without_a_map_or_beyond_the_classes_are_refused():
    with pytest.raises(BadConfig, match="maps_to"):
        class_values(load_ontology("nuscenes16"), load_ontology("cityscapes"), ())
    values = class_values(load_ontology("cityscapes"), load_ontology("nuscenes16"), (19,))
    assert values.class_id(np.array([[0, 19, 255]], np.uint8), "x").tolist() == [[10, 255, 255]]
    with pytest.raises(BadLabels, match=r"\[20\]"):
        values.class_id(np.array([[0, 20]], np.uint8), "x")


# --- masks


@st.composite
def painted_masks(draw):
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    count = draw(st.integers(0, 5))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    masks = [rng.random(shape) < rng.random() for _ in range(count)]
    return masks, rng.integers(0, 14, count).tolist(), np.round(rng.random(count), 2).tolist(), shape


def _pixel_by_pixel(masks, class_id, score, shape, rule, uncovered):
    """The rule as one reads it: of the masks over a pixel the smallest, then the surest, or simply the last."""
    result = np.full(shape, uncovered, np.uint8)
    for row, column in np.ndindex(shape):
        over = [k for k in range(len(masks)) if masks[k][row, column]]
        if not over:
            continue
        winner = over[-1]
        if rule == "small_over_large":
            winner = min(over, key=lambda k: (masks[k].sum(), -score[k], class_id[k]))
        result[row, column] = class_id[winner]
    return result


@pytest.mark.parametrize("rule", ["small_over_large", "paint_order"])
@pytest.mark.parametrize("uncovered", [255, 0])
@settings(max_examples=40)
@given(case=painted_masks())
def test_painting_is_the_rule_applied_to_each_pixel(case, rule, uncovered):
    labels = paint(*case, rule, uncovered)
    assert labels.class_id.tolist() == _pixel_by_pixel(*case, rule, uncovered).tolist()
    covered = np.any(case[0], axis=0) if case[0] else np.zeros(case[3], bool)
    assert ((labels.instance_id > 0) == covered).all()
    assert not labels.score[~covered].any()
    for k, mask in enumerate(case[0]):
        own = labels.instance_id == k + 1
        assert (own <= mask).all()
        assert (labels.score[own] == round(255 * case[2][k])).all()


@given(case=painted_masks(), seed=st.integers(0, 100))
def test_small_over_large_does_not_depend_on_the_order_of_the_masks(case, seed):
    masks, class_id, score, shape = case
    order = np.random.default_rng(seed).permutation(len(masks))
    shuffled = paint([masks[k] for k in order], [class_id[k] for k in order], [score[k] for k in order], shape)
    assert (shuffled.class_id == paint(masks, class_id, score, shape).class_id).all()


def test_the_original_behaviour_is_paint_order_over_zeros():
    large, small = np.ones((2, 3), bool), np.zeros((2, 3), bool)
    large[:, 2], small[0, 0] = False, True
    ours = paint([small, large], [4, 9], [0.9, 0.3], (2, 3))
    original = paint([small, large], [4, 9], [0.9, 0.3], (2, 3), "paint_order", 0)
    assert ours.class_id.tolist() == [[4, 9, 255], [9, 9, 255]]
    assert original.class_id.tolist() == [[9, 9, 0], [9, 9, 0]]


def test_masks_that_do_not_fit_are_refused():
    mask = np.ones((2, 2), bool)
    for arguments in (
        ([mask], [1, 2], [0.5], (2, 2)),
        ([mask], [1], [], (2, 2)),
        ([mask], [1], [0.5], (2, 3)),
        ([mask.astype(np.uint8)], [1], [0.5], (2, 2)),
        ([mask], [1], [float("nan")], (2, 2)),
    ):
        with pytest.raises(BadLabels):
            paint(*arguments)


# --- labels that lie ready


def test_a_template_is_filled_from_the_view(tmp_path):
    view = _view(
        np.zeros((2, 2, 3), np.uint8), "CAM_FRONT", 1_532_402_927_612_460_000, "samples/CAM_FRONT/n015__x.1.jpg"
    )
    for template, expected in {
        "{file}.png": "samples/CAM_FRONT/n015__x.1.png",
        "{stem}.png": "n015__x.1.png",
        "{folder}/masks/{stem}": "samples/CAM_FRONT/masks/n015__x.1",
        "{camera}/{stamp_us}.png": "CAM_FRONT/1532402927612460.png",
        "{stamp_ns}.png": "1532402927612460000.png",
    }.items():
        assert PicturePath(tmp_path, template).of(view) == tmp_path / expected


def test_templates_that_cannot_be_filled_are_refused(tmp_path):
    for template in ("labels.png", "{frame}.png", "{file", "{0}.png"):
        with pytest.raises(BadConfig, match="template"):
            PicturePath(tmp_path, template)
    with pytest.raises(BadDataset, match="expected a folder"):
        PicturePath(tmp_path / "absent", "{file}.png")
    with pytest.raises(BadDataset, match="recording"):
        PicturePath(tmp_path, "{file}.png").of(_view(np.zeros((2, 2, 3), np.uint8)))


def _ready(folder, ignored=()):
    values = class_values(load_ontology("cityscapes"), load_ontology("nuscenes16"), ignored)
    return PrecomputedLabels(PicturePath(folder, "{camera}.png"), values, load_ontology("nuscenes16"))


READY_FAULTS = {
    "missing": (None, "template"),
    "a text": (b"hello", "whole PNG"),
    "another size": (np.zeros((5, 4), np.uint8), "4x5"),
    "a value of no class": (np.full((4, 6), 77, np.uint8), "77"),
    "colours": (np.zeros((4, 6, 3), np.uint8), "mode RGB"),
    "16 bits": (np.zeros((4, 6), np.uint16), "8-bit"),
}


@pytest.mark.parametrize("case", READY_FAULTS)
def test_a_ready_label_with_a_fault_is_one_failure_and_the_others_go_on(case, tmp_path):
    content, told = READY_FAULTS[case]
    rgb = np.zeros((4, 6, 3), np.uint8)
    Image.fromarray(np.full((4, 6), 13, np.uint8)).save(tmp_path / "good.png")
    if isinstance(content, bytes):
        (tmp_path / "bad.png").write_bytes(content)
    elif content is not None:
        Image.fromarray(content).save(tmp_path / "bad.png")
    reader = _ready(tmp_path)
    store = LabelStore(tmp_path / "store", reader.identity(), reader.ontology)
    report = label_views([_view(rgb + 1, "bad"), _view(rgb, "good")], reader, store)
    assert (report.made, len(report.failed)) == (1, 1)
    assert told in report.failed[0]
    assert "camera bad" in report.failed[0]
    assert set(store.read_class_id(_view(rgb, "good")).ravel().tolist()) == {NUSCENES_16.id_of("car")}


def test_a_ready_label_that_changed_is_taken_over_anew(tmp_path):
    view, reader = _view(np.zeros((4, 6, 3), np.uint8), "front"), _ready(tmp_path)
    store = LabelStore(tmp_path / "store", reader.identity(), reader.ontology)
    for value, made in ((13, 1), (13, 0), (0, 1)):
        Image.fromarray(np.full((4, 6), value, np.uint8)).save(tmp_path / "front.png")
        assert label_views([view], reader, store).made == made
    assert store.read_class_id(view)[0, 0] == NUSCENES_16.id_of("driveable_surface")


# --- closed-set networks


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


# --- the engine


class Brightness:
    """A labeler that remembers what it was asked for: class 0 for dark pixels, 1 for bright ones."""

    ontology = _ontology("dark", "bright")

    def __init__(self):
        self.batches = []

    def identity(self):
        return {"model": "brightness", "revision": 1}

    def label(self, images):
        self.batches.append(len(images))
        return [
            WeakLabels((image[..., 0] > 127).astype(np.uint8), image[..., 1], np.zeros(image.shape[:2], np.uint16))
            for image in images
        ]


def _grey(value, size=(4, 6)):
    return np.full((*size, 3), value, np.uint8)


def test_views_are_labelled_in_batches_and_counted(tmp_path):
    labeler, told = Brightness(), []
    store = LabelStore(tmp_path, labeler.identity(), labeler.ontology)
    views = [_view(_grey(20 * k), f"camera{k}") for k in range(10)]
    report = label_views([*views, views[3]], labeler, store, batch_size=4, on_progress=lambda: told.append(1))
    assert (report.made, report.present, report.repeated, report.failed) == (10, 0, 1, [])
    assert labeler.batches == [4, 4, 2]
    assert report.class_pixels[:3].tolist() == [24 * 7, 24 * 3, 0]
    assert len(told) == 11
    again = label_views(views, labeler, store, batch_size=4)
    assert (again.made, again.present, len(labeler.batches)) == (0, 10, 3)
    assert (again.class_pixels == report.class_pixels).all()


def test_a_picture_that_cannot_be_read_is_told_and_the_others_are_labelled(tmp_path):
    def broken():
        raise BadDataset("00/07: expected a readable image, found none. Unpack the data set again.")

    camera = _view(_grey(1)).camera
    still = RigidTransform(np.eye(3), np.zeros(3))
    views = [
        CameraView("left", camera, still, 5, broken, broken, "left/07.jpg"),
        CameraView("bytes only", camera, still, 5, broken, lambda: b"not decodable"),
        _view(_grey(200), "other size", size=(9, 9)),
        _view(_grey(10), "good"),
    ]
    labeler = Brightness()
    report = label_views(views, labeler, LabelStore(tmp_path, labeler.identity(), labeler.ontology))
    assert (report.made, len(report.failed)) == (1, 3)
    assert "camera left, left/07.jpg" in report.failed[0]
    assert "9x9" in report.failed[2]


def test_labels_of_another_size_and_ids_of_no_class_stop_the_run(tmp_path):
    class Wrong(Brightness):
        def __init__(self, class_id):
            super().__init__()
            self.class_id = class_id

        def label(self, images):
            shape = self.class_id.shape
            return [WeakLabels(self.class_id, np.zeros(shape, np.uint8), np.zeros(shape, np.uint16)) for _ in images]

    for class_id, told in ((np.zeros((3, 3), np.uint8), "picture's size"), (np.full((4, 6), 2, np.uint8), r"0\.\.1")):
        labeler = Wrong(class_id)
        with pytest.raises(BadLabels, match=told):
            label_views([_view(_grey(1))], labeler, LabelStore(tmp_path, labeler.identity(), labeler.ontology))


def test_a_place_that_cannot_be_written_stops_the_run_at_once(tmp_path):
    (tmp_path / "taken").write_text("a file")
    labeler = Brightness()
    store = LabelStore(tmp_path / "taken" / "store", labeler.identity(), labeler.ontology)
    with pytest.raises(BadRequest, match="can be written"):
        label_views([_view(_grey(1))], labeler, store)
    assert labeler.batches == []


# --- the command


@pytest.fixture(scope="module")
def real(test_data):
    for name in ("pandaset_002", "semantickitti", "weak_labels_espnet"):
        if not (test_data / name).is_dir():
            pytest.skip(f"no {name} in the recordings")
    return test_data


def _pandaset_config(real, out, **changes):
    return validated(
        WeakLabelConfig,
        {
            "out": str(out),
            "source": [{"kind": "pandaset", "folder": str(real / "pandaset_002"), "frames": ["00"]}],
            "labeler": {
                "kind": "precomputed",
                "folder": str(real / "weak_labels_espnet" / "pandaset_002"),
                "values": "cityscapes",
                "ignored_values": [19],
            },
            "preview_pictures": 2,
            **changes,
        },
        "test",
    )


def test_ready_labels_of_a_real_frame_become_weak_classes_of_its_views(real, tmp_path):
    config = _pandaset_config(real, tmp_path / "out")
    report = weak_label(config)
    assert (report.made, report.present) == (6, 0)
    store = LabelStore(tmp_path / "out")
    assert store.class_names == NUSCENES_16.names
    view = next(view for view in PandaSet(real / "pandaset_002", ["00"])[0].views if view.name == "front_camera")
    class_id = store.read_class_id(view)
    ready = np.array(Image.open(real / "weak_labels_espnet/pandaset_002/camera/front_camera/00.png"))
    for value, name in ((13, "car"), (0, "driveable_surface"), (8, "vegetation")):
        assert ((class_id == NUSCENES_16.id_of(name)) == (ready == value)).all()
    assert ((class_id == 255) == np.isin(ready, [10, 12, 16, 19])).all()
    statistics = json.loads((tmp_path / "out/statistics.json").read_text())
    assert statistics["made"] == 6
    assert sum(statistics["share_of_pixels"].values()) == pytest.approx(1)
    with Image.open(tmp_path / "out/preview.png") as sheet:
        assert sheet.size[0] == 2 * 480
    assert "6 made" in report_lines(report, config)[0]


def test_uncovered_pixels_become_class_0_when_asked_as_in_the_original(tmp_path):
    view, reader = _view(_grey(7), "front"), _ready(tmp_path)
    Image.fromarray(np.array([[10] * 6, [13] * 6] * 2, np.uint8)).save(tmp_path / "front.png")
    for uncovered in (255, 0):
        store = LabelStore(tmp_path / "store", reader.identity(), reader.ontology, uncovered=uncovered)
        assert label_views([view], reader, store).class_pixels[[uncovered, 3]].tolist() == [12, 12]
        assert LabelStore(tmp_path / "store").read_class_id(view)[:2, 0].tolist() == [uncovered, 3]


def test_the_command_labels_semantic_kitti_and_prints_shares(real, tmp_path, capsys):
    labels = real / "weak_labels_espnet" / "semantickitti"
    config = tmp_path / "config.yaml"
    config.write_text(
        f"out: {tmp_path / 'out'}\nontology: cityscapes\n"
        f"source: [{{kind: semantic_kitti, folder: {real / 'semantickitti'}, frames: ['000000']}}]\n"
        f"labeler: {{kind: precomputed, folder: {labels}, values: cityscapes, ignored_values: [19]}}\n"
    )
    assert main(["weak-label", "--config", str(config)]) == 0
    shown = capsys.readouterr().out
    assert "1 made" in shown
    assert "vegetation" in shown


COMMAND_FAULTS = {
    "nothing to make": {"labeler": None},
    "unknown kind": {"labeler": {"kind": "oracle"}},
    "an option of another kind": {"labeler": {"kind": "closed_set", "folder": "x"}},
    "unknown key": {"treshold": 0.5},
    "unknown ontology": {"ontology": "coco"},
    "no masks named": {"superpixels": "sam"},
    "a folder that is not there": {"labeler": {"kind": "precomputed", "folder": "/nowhere", "values": "cityscapes"}},
    "values without a map": {"ontology": "seem_nuscenes"},
    "uncovered of another id": {"uncovered": 7},
}


@pytest.mark.parametrize("case", COMMAND_FAULTS)
def test_a_configuration_with_a_fault_is_one_line_and_exit_code_2(case, real, tmp_path, capsys):
    base = _pandaset_config(real, tmp_path / "out").model_dump(mode="json", exclude_defaults=True)
    (tmp_path / "c.yaml").write_text(json.dumps({**base, **COMMAND_FAULTS[case]}))
    assert main(["weak-label", "--config", str(tmp_path / "c.yaml")]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("lidar-vl-train: ")
    assert shown.count("\n") == 1


def test_pictures_without_labels_fail_the_command_after_the_others_are_done(real, tmp_path):
    some = tmp_path / "some" / "camera" / "front_camera"
    some.mkdir(parents=True)
    Image.fromarray(np.zeros((1080, 1920), np.uint8)).save(some / "00.png")
    labeler = {"kind": "precomputed", "folder": str(tmp_path / "some"), "values": "cityscapes"}
    with pytest.raises(BadDataset, match="5 pictures have no labels, 1 have them"):
        weak_label(_pandaset_config(real, tmp_path / "out", labeler=labeler))
    view = next(v for v in PandaSet(real / "pandaset_002", ["00"]).views(0) if v.name == "front_camera")
    assert set(LabelStore(tmp_path / "out").read_class_id(view).ravel().tolist()) == {10}


def test_the_shipped_configurations_are_whole():
    from pathlib import Path

    import offline_training

    files = sorted((Path(offline_training.__file__).parent / "configs").glob("weak_label_*.yaml"))
    assert files
    for file in files:
        config = load_config(WeakLabelConfig, file, parse_overrides(["threads=1"]))
        load_ontology(config.ontology)
        assert load_yaml(file)["out"].startswith("out/")


# --- data sets as sources of pictures


def test_data_sets_give_views_without_their_clouds_and_say_where_pictures_lie(real):
    for dataset, folder in (
        (PandaSet(real / "pandaset_002", ["00"]), real / "pandaset_002"),
        (SemanticKitti(real / "semantickitti", ["00"], ["000000"]), real / "semantickitti"),
    ):
        views = dataset.views(0)
        assert [view.name for view in views] == [view.name for view in dataset[0].views]
        for view in views:
            assert view.read_bytes() == (folder / view.file).read_bytes()
            with Image.open(BytesIO(view.read_bytes())) as picture:
                assert picture.size == (view.camera.width, view.camera.height)


def test_pictures_of_an_own_bag_are_labelled_by_camera_and_time(test_data, tmp_path):
    bag = test_data / "bags" / "kitti_raw_2011_09_26_mcap"
    if not bag.is_dir():
        pytest.skip("no converted KITTI bag in the recordings")
    views = [view for frame in ("0", "1") for view in RosBag(bag, [int(frame)])[0].views]
    assert views
    for view in views:
        path = tmp_path / "ready" / view.name / f"{view.stamp_ns}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((view.camera.height, view.camera.width), 13, np.uint8)).save(path)
    labeler = {
        "kind": "precomputed", "folder": str(tmp_path / "ready"), "template": "{camera}/{stamp_ns}.png",
        "values": "cityscapes",
    }  # fmt: skip
    source = [{"kind": "ros_bag", "folder": str(bag), "frames": ["0", "1"]}]
    config = validated(WeakLabelConfig, {"out": str(tmp_path / "out"), "source": source, "labeler": labeler}, "test")
    report = weak_label(config)
    assert report.made == len({content_sha256(view) for view in views})
    store = LabelStore(tmp_path / "out")
    again = RosBag(bag, [1])[0].views  # read a second time from the bag
    assert all((store.read_class_id(view) == NUSCENES_16.id_of("car")).all() for view in again)
