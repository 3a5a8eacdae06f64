"""Weak labels from words: the real loading code on tiny random models."""

import json

import numpy as np
import pytest
import torch

from lidar_vl_core.foundation.errors import BadConfig, BadModelPackage
from offline_training.weak_labels.model_weights.model_folder import ModelFolder, choose_device
from tests.training.torchvision_on_cpu import ensure_torchvision
from tests.training.weak_labels.street_words import STREET, word_ontology


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """One folder of each kind."""
    ensure_torchvision()
    from tests.training.weak_labels.tiny_vision_models import save_detector, save_sam3, save_segmenter

    root = tmp_path_factory.mktemp("models")
    for kind in ("grounding-dino", "mm-grounding-dino"):
        save_detector(root / kind, kind)
    for kind in ("sam", "sam_hq", "sam2"):
        save_segmenter(root / kind, kind)
    save_sam3(root / "sam3")
    return root


def _images():
    rng = np.random.default_rng(5)
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((40, 60), (33, 20), (40, 60))]


def _grounded_sam(models, detector="grounding-dino", segmenter="sam", ontology=STREET, **options):
    from offline_training.weak_labels.labelers.grounded_sam import GroundedSamLabeler

    options = {"box_threshold": 0.0, "text_threshold": 0.0, "device": "cpu", **options}
    return GroundedSamLabeler(models / detector, models / segmenter, ontology, **options)


def _sam3(models, ontology=STREET, **options):
    from offline_training.weak_labels.labelers.sam3 import Sam3Labeler

    return Sam3Labeler(models / "sam3", ontology, **{"score_threshold": 0.0, "device": "cpu", **options})


def _bytes(labels):
    return [each.class_id.tobytes() + each.score.tobytes() + each.instance_id.tobytes() for each in labels]


@pytest.mark.slow
@pytest.mark.parametrize(
    "kinds",
    [("grounding-dino", "sam"), ("mm-grounding-dino", "sam2"), ("grounding-dino", "sam_hq"), "sam3"],
    ids=str,
)
def test_labels_are_the_same_twice_and_do_not_depend_on_the_batch(kinds, models):
    labeler = _sam3(models) if kinds == "sam3" else _grounded_sam(models, *kinds)
    images = _images()
    labels = labeler.label(images)
    assert [each.class_id.shape for each in labels] == [(40, 60), (33, 20), (40, 60)]
    for each in labels:
        each.require_classes(STREET)
        assert set(np.unique(each.class_id).tolist()) <= {0, 1, 3, 255}  # nobody asked for sky
        assert ((each.instance_id == 0) == (each.class_id == 255)).all()
    assert any((each.class_id != 255).any() for each in labels)
    assert _bytes(labels) == _bytes(labeler.label(images))
    assert _bytes(labels) == [_bytes(labeler.label([image]))[0] for image in images]


def test_thresholds_that_nothing_reaches_leave_everything_uncovered(models):
    for labeler in (_grounded_sam(models, box_threshold=1.0), _sam3(models, score_threshold=1.0)):
        (labels,) = labeler.label(_images()[:1])
        assert set(labels.class_id.ravel().tolist()) == {255}
        assert not labels.score.any()


def test_token_probabilities_are_those_of_transformers_own_post_processing(models):
    """The scores of boxes as the library decodes them, where every class has one token and so no phrases merge."""
    from transformers import AutoModelForZeroShotObjectDetection, GroundingDinoImageProcessorPil, GroundingDinoProcessor

    from offline_training.weak_labels.labelers.grounding_detector import GroundingDetector

    ontology, image = word_ontology(car=["car"], bus=["bus"], road=["road"]), _images()[0]
    found = GroundingDetector(models / "grounding-dino", ontology, 0.5, 0.0, "cpu").detect(image)
    model = AutoModelForZeroShotObjectDetection.from_pretrained(models / "grounding-dino").eval()
    processor = GroundingDinoProcessor.from_pretrained(models / "grounding-dino")
    processor.image_processor = GroundingDinoImageProcessorPil.from_pretrained(models / "grounding-dino")
    inputs = processor(images=image, text="car. bus. road.", return_tensors="pt")
    with torch.no_grad():
        output = model(**inputs)
    (theirs,) = processor.post_process_grounded_object_detection(
        output, inputs["input_ids"], threshold=0.5, text_threshold=0.0, target_sizes=[image.shape[:2]]
    )
    np.testing.assert_allclose(found.box_px, theirs["boxes"].numpy(), rtol=1e-5, atol=1e-4)
    probability = output.logits[0].sigmoid()
    tokens = probability[probability.max(dim=1).values > 0.5][:, [1, 3, 5]]
    np.testing.assert_allclose(found.score, tokens.max(dim=1).values.numpy(), rtol=1e-5)
    assert found.class_id.tolist() == tokens.argmax(dim=1).tolist()


def test_a_class_list_too_long_for_one_text_is_asked_for_in_several(models, tmp_path):
    from tests.training.weak_labels.tiny_vision_models import save_detector

    save_detector(tmp_path / "short", max_text_len=8)
    short = _grounded_sam(tmp_path, "short", models / "sam")
    found = short._detector.detect(_images()[0])
    # 8 queries answer each of the texts "car. automobile." (7 tokens) and "traffic cone. road." (7 tokens).
    assert found.box_px.shape == (16, 4)
    assert set(found.class_id[:8].tolist()) == {0}
    assert set(found.class_id[8:].tolist()) <= {1, 3}


@pytest.mark.parametrize("kind", ["sam", "sam_hq", "sam2"])
def test_masks_of_boxes_in_chunks_are_those_of_the_models_own_processor(kind, models):
    from transformers import AutoImageProcessor, Sam2Processor, SamHQProcessor, SamProcessor

    from offline_training.weak_labels.labelers.box_segmenter import BoxSegmenter

    image = _images()[1]
    boxes = np.array([[2, 3, 15, 30], [0, 0, 20, 33], [5, 5, 9, 9], [10, 2, 19, 12], [1, 20, 18, 32]], np.float32)
    segmenter = BoxSegmenter(models / kind, boxes_at_once=2, device="cpu")
    masks = segmenter.masks(image, boxes)
    assert segmenter.masks(image, boxes[:0]) == []
    backend = "torchvision" if kind == "sam2" else "pil"
    prepare = AutoImageProcessor.from_pretrained(models / kind, backend=backend)
    processor = {"sam": SamProcessor, "sam_hq": SamHQProcessor, "sam2": Sam2Processor}[kind](prepare)
    inputs = processor(images=image, input_boxes=[boxes.tolist()], return_tensors="pt")
    sizes = [inputs[name] for name in ("original_sizes", "reshaped_input_sizes") if name in inputs]
    seen = {"pixel_values": inputs["pixel_values"], "input_boxes": inputs["input_boxes"].float()}
    with torch.no_grad():
        output = segmenter._model(**seen, multimask_output=False)
    theirs = np.asarray(processor.post_process_masks(output.pred_masks, *sizes)[0])[:, 0]
    assert [mask.shape for mask in masks] == [(33, 20)] * 5
    assert np.mean(np.stack(masks) == theirs) > 0.999  # logits of chunks differ in their last bits


@pytest.mark.slow
def test_identities_hold_models_by_content_and_all_that_decides(models, tmp_path):
    import shutil

    base = _grounded_sam(models).identity()
    copy = shutil.copytree(models, tmp_path / "copy")
    assert _grounded_sam(copy).identity() == base
    assert str(models) not in json.dumps(base)
    others = [
        _grounded_sam(models, segmenter="sam2").identity(),
        _grounded_sam(models, box_threshold=0.1).identity(),
        _grounded_sam(models, rule="paint_order").identity(),
        _grounded_sam(models, ontology=word_ontology(car=["car"])).identity(),
    ]
    (copy / "sam" / "download.json").write_text('{"revision": "abc"}')
    others.append(_grounded_sam(copy).identity())
    (copy / "sam3" / "config.json").write_text((copy / "sam3" / "config.json").read_text() + "\n")
    assert _sam3(copy).identity() != _sam3(models).identity()
    assert len({json.dumps(each, sort_keys=True) for each in [base, *others]}) == 6


def test_a_folder_that_is_absent_names_the_command_that_fetches_one(models, tmp_path):
    with pytest.raises(BadModelPackage, match=r"lidar-vl-train download"):
        _grounded_sam(models, detector=tmp_path / "absent")
    with pytest.raises(BadModelPackage, match=r"lidar-vl-train download"):
        _sam3(tmp_path)


def _broken(models, folder, kind, name, content):
    import shutil

    shutil.copytree(models / kind, folder / kind)
    (folder / kind / name).write_bytes(content)
    return folder


def test_models_of_another_kind_damaged_or_incomplete_ones_are_refused(models, tmp_path):
    with pytest.raises(BadModelPackage, match="segmenter of type"):
        _grounded_sam(models, segmenter="sam3")
    with pytest.raises(BadModelPackage, match="detector of type"):
        _grounded_sam(models, detector="sam")
    with pytest.raises(BadModelPackage, match="transformers can load"):
        _sam3(_broken(models, tmp_path / "1", "sam3", "model.safetensors", b"x" * 100))
    with pytest.raises(BadModelPackage, match=r"expected JSON"):
        _sam3(_broken(models, tmp_path / "2", "sam3", "config.json", b"{"))
    from safetensors.torch import save

    few = save({"nothing": torch.zeros(1)}, metadata={"format": "pt"})
    with pytest.raises(BadModelPackage, match="no matching ones"):
        _sam3(_broken(models, tmp_path / "3", "sam3", "model.safetensors", few))


def test_weights_as_pickles_are_not_taken(models, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(BadModelPackage, match="safetensors"):
        ModelFolder(tmp_path)


def test_an_ontology_without_prompts_is_refused(models):
    for make in (_grounded_sam, _sam3):
        with pytest.raises(BadConfig, match="prompts"):
            make(models, ontology=word_ontology(sky=[]))


def test_a_device_that_is_not_there_is_refused():
    assert choose_device("cpu").type == "cpu"
    for name in ("cuda:97", "gpu"):
        with pytest.raises(BadConfig, match="device"):
            choose_device(name)
