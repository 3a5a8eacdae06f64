"""Open vocabulary: a table of prompts in a text space, and the class of a point from its embedding in that space."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.foundation.errors import BadTextTable
from lidar_vl_core.words.prompts import same_words

_UNIT_TOLERANCE = 1e-3  # a row that was once float16 still is unit length
_BLOCK_ROWS = 4096  # of embeddings at a time: 16 MB in float64 at 512 channels


@dataclass(frozen=True, eq=False)
class TextTable:
    """Prompts as directions in a text space, the classes they stand for, and how similarity becomes an answer."""

    names: tuple[str, ...]  # (K,) classes, sinks behind the others as in Vocabulary
    prompts: tuple[str, ...]  # (P,) in the order of the classes
    class_of_prompt: np.ndarray  # (P,) int64, not decreasing; every class has a prompt
    embeddings: np.ndarray  # (P, C) float32, unit rows
    is_sink: np.ndarray  # (K,) bool: such an answer becomes 255
    logit_scale: float  # cosine times this is the logit; the inverse of the temperature
    unknown_threshold: float | None  # an answer less probable than this becomes 255; None = every point has one
    text_space: str  # name of the text encoder, e.g. "openclip:ViT-B-16:laion2b_s34b_b88k"
    colors_rgb: np.ndarray  # (K, 3) uint8
    name: str = "prompts"  # of the list of classes

    def __post_init__(self) -> None:
        """Raise BadTextTable for parts that do not fit together."""
        _require_table(self)

    @property
    def channels(self) -> int:
        """C, the width of the text space."""
        return self.embeddings.shape[1]

    @property
    def class_table(self) -> ClassTable:
        """Names and colours of the possible answers, by id."""
        kept = int(np.count_nonzero(~self.is_sink))
        return ClassTable(self.name, self.names[:kept], self.colors_rgb[:kept])

    @property
    def first_prompt(self) -> np.ndarray:
        """(K,) int64 place of each class's first prompt."""
        return np.searchsorted(self.class_of_prompt, np.arange(len(self.names)))


def label_embeddings(embedding: np.ndarray, table: TextTable) -> tuple[np.ndarray, np.ndarray]:
    """Class and its probability of every embedding: cosine, best prompt of each class, softmax over the classes.

    embedding: (M, C) floats of any length. Returns (M,) uint8 and (M,) float32; 255 with probability 0 for a sink, for
    what is less probable than the threshold, and for embeddings that are zero or not finite. Of equal classes the first
    wins. Raises BadTextTable for another width.
    """
    require_width(embedding, table)
    class_id = np.empty(len(embedding), np.uint8)
    probability = np.empty(len(embedding), np.float32)
    for first in range(0, len(embedding), _BLOCK_ROWS):
        block = slice(first, first + _BLOCK_ROWS)
        cosine = unit_rows(embedding[block]) @ table.embeddings.T  # (m, P), NaN where there is no direction
        class_id[block], probability[block] = label_cosines(cosine, table)
    return class_id, probability


def label_cosines(cosine: np.ndarray, table: TextTable) -> tuple[np.ndarray, np.ndarray]:
    """label_embeddings() from the cosines (M, P) with the table's prompts; a row with NaN has no answer."""
    of_class = np.maximum.reduceat(cosine, table.first_prompt, axis=1)  # (M, K)
    best = of_class.argmax(axis=1)
    of_class -= of_class[np.arange(len(best)), best][:, None]
    of_class *= np.float32(table.logit_scale)
    probability = 1.0 / np.exp(of_class, out=of_class).sum(axis=1)
    answered = np.isfinite(probability) & ~table.is_sink[best]
    if table.unknown_threshold is not None:
        answered &= probability >= table.unknown_threshold
    return (
        np.where(answered, best, IGNORE_ID).astype(np.uint8),
        np.where(answered, probability, 0.0).astype(np.float32),
    )


def unit_rows(embedding: np.ndarray) -> np.ndarray:
    """(M, C) float32 rows of unit length; NaN where a row is zero or not finite."""
    rows = np.asarray(embedding, np.float64)  # squares of float32 fit
    with np.errstate(invalid="ignore", over="ignore"):
        length = np.sqrt(np.einsum("ij,ij->i", rows, rows))
        length[~np.isfinite(length) | (length == 0)] = np.nan
        return (rows / length[:, None]).astype(np.float32)


def require_width(embedding: np.ndarray, table: TextTable) -> None:
    """Raise BadTextTable unless embedding is (M, C) numbers of the table's width."""
    if embedding.ndim != 2 or embedding.shape[1] != table.channels or embedding.dtype.kind != "f":
        raise BadTextTable(
            f"embeddings: expected (M, {table.channels}) floats of text space {table.text_space}, found "
            f"{embedding.shape} {embedding.dtype}. Use the table of the network's own text space."
        )


def _require_table(table: TextTable) -> None:
    rows, classes, prompts = table.embeddings, len(table.names), len(table.prompts)
    of_prompt = table.class_of_prompt
    words = [same_words(prompt) for prompt in table.prompts]
    checks = {
        f"1 to {IGNORE_ID} different class names": 1 <= classes <= IGNORE_ID and len(set(table.names)) == classes,
        "different, non-empty prompts": prompts > 0 and all(words) and len(set(words)) == prompts,
        f"embeddings ({prompts}, C) float32": rows.ndim == 2
        and len(rows) == prompts
        and rows.shape[1] > 0
        and rows.dtype == np.float32,
        f"class_of_prompt ({prompts},) int64": of_prompt.shape == (prompts,) and of_prompt.dtype == np.int64,
        f"is_sink ({classes},) bool": table.is_sink.shape == (classes,) and table.is_sink.dtype == np.bool_,
        f"colors_rgb ({classes}, 3) uint8": table.colors_rgb.shape == (classes, 3)
        and table.colors_rgb.dtype == np.uint8,
        "a positive logit_scale": bool(np.isfinite(table.logit_scale)) and table.logit_scale > 0,
        "an unknown_threshold from 0 to 1": table.unknown_threshold is None or 0 <= table.unknown_threshold <= 1,
    }
    for expected, met in checks.items():
        if not met:
            raise _bad(table, expected, "another")
    if not np.array_equal(np.unique(of_prompt), np.arange(classes)) or (np.diff(of_prompt) < 0).any():
        raise _bad(table, "prompts in the order of their classes, one or more each", of_prompt.tolist())
    if (np.diff(table.is_sink.astype(np.int8)) < 0).any() or table.is_sink.all():
        raise _bad(table, "at least one class that is not a sink, and sinks after all others", table.is_sink.tolist())
    wrong = np.abs(np.linalg.norm(rows.astype(np.float64), axis=1) - 1.0)
    if not (wrong <= _UNIT_TOLERANCE).all():
        raise _bad(table, "embeddings of unit length", f"lengths off by {wrong.max():.3g}")


def _bad(table: TextTable, expected: str, found: object) -> BadTextTable:
    return BadTextTable(f"text table {table.name}: expected {expected}, found {found}. Make it with text_table().")
