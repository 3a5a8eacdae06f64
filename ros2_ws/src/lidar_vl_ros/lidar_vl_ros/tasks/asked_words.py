"""What the parameters ask an embedding model to look for."""

from dataclasses import replace

from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.tasks.segmenter import Segmenter
from lidar_vl_core.words.text_table import TextTable
from lidar_vl_core.words.vocabulary import load_vocabulary
from lidar_vl_ros.node.settings import SegmentationParameters


def asked_table(segmenter: Segmenter, settings: SegmentationParameters) -> TextTable | None:
    """The table of prompts or of the vocabulary, else the model's own; None for a model that knows no words and is asked for none.

    Reads the vocabulary's file. Raises BadConfig for prompts beside a vocabulary and for invalid lists, UnknownPrompt
    for words the model cannot embed, BadModelPackage for words asked of a model that knows none.
    """
    if settings.prompts and settings.vocabulary:
        raise BadConfig(
            f"prompts and vocabulary: expected one of them, found prompts {', '.join(settings.prompts)} beside vocabulary "
            f"{settings.vocabulary}. Set the other one to [] or '' first, or both at once by set_parameters_atomically."
        )
    if settings.vocabulary:
        table = segmenter.table_of(load_vocabulary(settings.vocabulary))
    elif settings.prompts or (settings.unknown_threshold and segmenter.own_table is None):
        table = segmenter.table_of(settings.prompts)
    elif segmenter.own_table is None:
        return None
    else:
        table = segmenter.own_table
    return replace(table, unknown_threshold=settings.unknown_threshold or table.unknown_threshold)
