"""Output of the toy language model on a few images: the best class, and the similarity of some prompts.

Writes a PNG.
"""

from collections.abc import Sequence
from pathlib import Path

from lidar_vl_core.words.vocabulary import vocabulary_of_prompts
from lidar_vl_core.words.vocabulary_table import text_table
from offline_training.toys.toy_regions import LabelledPicture
from offline_training.words.image_models.base.dense_model import DenseImageModel, text_matrix
from offline_training.words.image_models.similarity_sheet import write_similarity_sheet

# Classes, a hypernym, a colour: prompts that a reader can check by eye.
_PROMPTS = {
    "street": ("road", "sidewalk", "building", "tree", "car", "person", "vehicle", "red car", "sky"),
    "room": ("wall", "floor", "table", "chair", "plant", "picture", "furniture", "person", "window"),
    "plain": ("wall", "floor", "bench", "stool", "seat", "storage", "thing with legs", "red seat", "plant"),
}
_PICTURES = 5


def write_toy_sheet(path: Path, model: DenseImageModel, world: str, pictures: Sequence[LabelledPicture]) -> None:
    """One row for each of a few images, spread evenly over the list. world: "street", "room" or "plain"."""
    vocabulary = vocabulary_of_prompts(_PROMPTS[world])
    table = text_table(vocabulary, text_matrix(model, vocabulary), model.logit_scale, "toy")
    chosen = pictures[:: max(1, len(pictures) // _PICTURES)][:_PICTURES]
    write_similarity_sheet(path, model, [picture.rgb for picture in chosen], table)
