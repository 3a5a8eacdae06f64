"""Quality of the toy vision-language model on unseen scenes: classes, synonyms, colours."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from offline_training.toys.toy_captions import KINDS, NO_COLOUR, coloured_phrase
from offline_training.toys.toy_plain_words import NOTHING as PLAIN_NOTHING
from offline_training.toys.toy_plain_words import PLAIN_WORDS
from offline_training.toys.toy_regions import LabelledPicture
from offline_training.toys.toy_words import COLOURS, ROOM_NOTHING, ROOM_WORDS, STREET_NOTHING, STREET_WORDS
from offline_training.words.image_models.base.dense_model import DenseImageModel

_WORDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "street": STREET_WORDS,
    "room": ROOM_WORDS,
    "plain": {name: (name,) for name in PLAIN_WORDS},
}
_NOTHING = {"street": STREET_NOTHING, "room": ROOM_NOTHING, "plain": PLAIN_NOTHING}
_SYNONYM_DRAWS = 3
_MIN_COLOURED_CELLS = 1.0  # regions smaller than a cell show the colour of their surroundings


def toy_quality(
    model: DenseImageModel, world: str, classes: ClassTable, pictures: Sequence[LabelledPicture]
) -> dict[str, Any]:
    """IoU of the class with the nearest word, agreement under synonyms, accuracy of colour words; as JSON.

    world: "street", "room" or "plain", with its class table.
    """
    features = [model.image_features([picture.rgb])[0] for picture in pictures]
    words = [_WORDS[world][name] for name in classes.names]
    sink = _NOTHING[world]
    by_name = _answers(model, features, pictures, [each[:1] for each in words], sink[:1])
    by_all = _confusion(pictures, _answers(model, features, pictures, words, sink), classes)
    return {
        "pictures": len(pictures),
        "pixel_accuracy": round(by_all.accuracy(), 4),
        "mean_iou": round(by_all.mean_iou(), 4),
        "mean_iou_of_class_names_alone": round(_confusion(pictures, by_name, classes).mean_iou(), 4),
        "agreement_under_synonyms": _agreement(model, features, pictures, words, sink, by_name),
        "colours": _colours(model, features, pictures),
        "iou": {
            name: round(float(iou), 4)
            for name, iou in zip(classes.names, by_all.iou(), strict=True)
            if np.isfinite(iou)  # classes that occur
        },
    }


def _answers(
    model: DenseImageModel,
    features: Sequence[Tensor],
    pictures: Sequence[LabelledPicture],
    words: Sequence[Sequence[str]],
    sink: Sequence[str],
) -> list[np.ndarray]:
    """(H, W) uint8 of each image: the class whose best word is nearest to the pixel, 255 for the sink."""
    text = [model.text_features(each) for each in (*words, sink)]
    answers = []
    for feature, picture in zip(features, pictures, strict=True):
        height, width = picture.class_id.shape
        cosine = torch.stack([torch.einsum("pc,chw->phw", each, feature).amax(dim=0) for each in text])
        finer = F.interpolate(cosine[None], (height, width), mode="bilinear", align_corners=False)[0]
        best = finer.argmax(dim=0).numpy()
        answers.append(np.where(best == len(words), IGNORE_ID, best).astype(np.uint8))
    return answers


def _confusion(
    pictures: Sequence[LabelledPicture], answers: Sequence[np.ndarray], classes: ClassTable
) -> ConfusionMatrix:
    confusion = ConfusionMatrix(len(classes))
    for picture, answer in zip(pictures, answers, strict=True):
        confusion.add(picture.class_id, answer)
    return confusion


def _agreement(
    model: DenseImageModel,
    features: Sequence[Tensor],
    pictures: Sequence[LabelledPicture],
    words: Sequence[Sequence[str]],
    sink: Sequence[str],
    by_name: Sequence[np.ndarray],
) -> float:
    """Share of pixels whose class is unchanged if every class is queried by another of its words, if it has several."""
    rng = np.random.default_rng(0)
    same = []
    for _ in range(_SYNONYM_DRAWS):
        others = [(str(rng.choice(each[1:])),) if len(each) > 1 else each for each in words]
        answers = _answers(model, features, pictures, others, sink[:1])
        same += [(answer == other).mean() for answer, other in zip(by_name, answers, strict=True)]
    return round(float(np.mean(same)), 4)


def _colours(
    model: DenseImageModel, features: Sequence[Tensor], pictures: Sequence[LabelledPicture]
) -> dict[str, float | int]:
    """Accuracy of colour words: share of regions for which "red car" is nearer to a red car than any other colour."""
    truth: list[int] = []
    answer: list[int] = []
    text: dict[str, Tensor] = {}
    for feature, picture in zip(features, pictures, strict=True):
        for region in np.flatnonzero(picture.colour != NO_COLOUR):
            cover = _cover(picture.region == region, feature)
            if float(cover.sum()) < _MIN_COLOURED_CELLS:
                continue
            noun = _first_word(KINDS[picture.kind[region]])
            if noun not in text:
                asked = [coloured_phrase(noun, colour) for colour in range(len(COLOURS))]
                text[noun] = model.text_features(asked)
            truth.append(int(picture.colour[region]))
            answer.append(int((text[noun] @ (feature * cover).sum(dim=(1, 2))).argmax()))
    right = np.array(truth) == np.array(answer)
    counts = np.bincount(truth, minlength=len(COLOURS))
    hits = np.bincount(np.array(truth, np.int64)[right], minlength=len(COLOURS))
    return {
        "regions": len(truth),
        "accuracy": round(float(right.mean()), 4),
        "mean_accuracy_over_colours": round(float((hits[counts > 0] / counts[counts > 0]).mean()), 4),
        "share_of_the_commonest": round(float(counts.max() / counts.sum()), 4),
    }


def _cover(inside: np.ndarray, feature: Tensor) -> Tensor:
    """(h, w) share of each cell covered by a region (H, W) bool."""
    height, width = feature.shape[1:]
    return F.adaptive_avg_pool2d(torch.from_numpy(inside)[None].float(), (height, width))[0]


def _first_word(kind: str) -> str:
    world, name = kind.split("/")
    return _WORDS[world][name][0] if name else _NOTHING[world][0]
