"""What the parameters ask an embedding model to look for."""

from dataclasses import dataclass, replace

from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.tasks.segmenter import Segmenter
from lidar_vl_core.words.text_table import TextTable
from lidar_vl_core.words.vocabulary import Vocabulary, load_vocabulary, vocabulary_of_prompts
from lidar_vl_ros.parameters.task_parameters import SegmentationTaskParameters


@dataclass(frozen=True, eq=False)
class AskedWords:
    """Words that the model has, or can embed."""

    vocabulary: Vocabulary | None  # None: the model's own words
    unknown_threshold: float  # 0: the model's own
    to_embed: tuple[str, ...]  # prompts that are not embedded yet
    table: TextTable | None  # None where prompts are to be embedded, and for a model that knows no words


def asked_words(segmenter: Segmenter, settings: SegmentationTaskParameters) -> AskedWords:
    """The prompts or the vocabulary, else the model's own words. Quick, as nothing is embedded.

    Reads the vocabulary's file. Raises BadConfig for prompts beside a vocabulary and for invalid lists, UnknownPrompt
    for words the model cannot embed, BadModelPackage for words asked of a model that knows none.
    """
    if settings.prompts and settings.vocabulary:
        raise BadConfig(
            f"prompts and vocabulary: expected only one of them, found prompts {', '.join(settings.prompts)} and vocabulary "
            f"{settings.vocabulary}. Set the other one to [] or '' first, or both at once with set_parameters_atomically."
        )
    vocabulary = None
    if settings.vocabulary:
        vocabulary = load_vocabulary(settings.vocabulary)
    elif settings.prompts:
        vocabulary = vocabulary_of_prompts(settings.prompts)
    if vocabulary is None:
        # Without words the threshold, too, is refused by a model that knows none.
        own = segmenter.book.table if settings.unknown_threshold else segmenter.own_table
        return AskedWords(None, settings.unknown_threshold, (), _judged(own, settings.unknown_threshold))
    to_embed = segmenter.book.to_embed(vocabulary)
    asked = AskedWords(vocabulary, settings.unknown_threshold, to_embed, None)
    return asked if to_embed else replace(asked, table=table_of(segmenter, asked))


def table_of(segmenter: Segmenter, asked: AskedWords) -> TextTable | None:
    """The text table of the words, once all of them are embedded."""
    table = segmenter.own_table if asked.vocabulary is None else segmenter.table_of(asked.vocabulary)
    return _judged(table, asked.unknown_threshold)


def _judged(table: TextTable | None, unknown_threshold: float) -> TextTable | None:
    return None if table is None else replace(table, unknown_threshold=unknown_threshold or table.unknown_threshold)
