"""Converts an ontology's prompts to texts for open-vocabulary detectors, and their token scores to classes. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lidar_vl_core.foundation.errors import BadConfig

_ENDS_A_PHRASE = ".?"  # tokens 1012 and 1029, at which the detectors split a text into phrases


@dataclass(frozen=True)
class PhraseText:
    """One text of phrases, each ending with a full stop, and the token range of each."""

    text: str
    class_id: tuple[int, ...]  # one for each phrase
    tokens: tuple[tuple[int, int], ...]  # first and one past the last token of each phrase, without its full stop


def phrase_texts(
    prompts: Sequence[tuple[int, str]],
    offsets_of: Callable[[str], Sequence[tuple[int, int]]],
    max_tokens: int,
) -> list[PhraseText]:
    """Prompts, each with its class, as lower-case texts of at most max_tokens tokens; as few texts as the order allows.

    offsets_of: for each token of a text the range of characters it covers; (0, 0) for special tokens. Raises BadConfig
    for a prompt that is too long or contains a phrase separator.
    """
    texts: list[PhraseText] = []
    waiting: list[tuple[int, str]] = []
    for class_id, prompt in prompts:
        if any(mark in prompt for mark in _ENDS_A_PHRASE):
            raise BadConfig(
                f"prompt: expected words without {' or '.join(_ENDS_A_PHRASE)}, found {prompt!r}. Reword it."
            )
        if waiting and len(offsets_of(_joined([*waiting, (class_id, prompt)]))) > max_tokens:
            texts.append(_phrase_text(waiting, offsets_of))
            waiting = []
        waiting.append((class_id, prompt))
        if len(waiting) == 1 and len(offsets_of(_joined(waiting))) > max_tokens:
            raise BadConfig(f"prompt: expected at most {max_tokens} tokens, found more in {prompt!r}. Shorten it.")
    return [*texts, _phrase_text(waiting, offsets_of)] if waiting else texts


def class_scores(probability: np.ndarray, text: PhraseText, classes: int) -> np.ndarray:
    """Highest probability of each class over all tokens of its phrases, (Q, classes) float32; 0 for classes not in the text.

    probability: (Q, T) of Q boxes and T tokens.
    """
    score = np.zeros((len(probability), classes), np.float32)
    for class_id, (first, last) in zip(text.class_id, text.tokens, strict=True):
        score[:, class_id] = np.maximum(score[:, class_id], probability[:, first:last].max(axis=1))
    return score


def decide(
    probability: np.ndarray, text: PhraseText, classes: int, box_threshold: float, text_threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Select boxes as Grounding DINO does: any token above box_threshold, and one of the class above text_threshold.

    probability: (Q, T). Returns indices of the boxes (D,) in their order, class ids (D,) and scores (D,) float32.
    """
    score = class_scores(probability, text, classes)
    best = score.max(axis=1)
    kept = np.flatnonzero((probability.max(axis=1) > box_threshold) & (best > text_threshold))
    return kept, score[kept].argmax(axis=1), best[kept]


def corners_px(boxes: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(D, 4) centre x, centre y, width, height as shares of the image -> (D, 4) float32 x0, y0, x1, y1 in pixels."""
    height, width = shape
    half = boxes[:, 2:] / 2
    corners = np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)
    return (corners * np.array([width, height, width, height])).astype(np.float32)


def _joined(prompts: Sequence[tuple[int, str]]) -> str:
    return " ".join(f"{prompt.lower()}." for _, prompt in prompts)


def _phrase_text(
    prompts: Sequence[tuple[int, str]], offsets_of: Callable[[str], Sequence[tuple[int, int]]]
) -> PhraseText:
    text, tokens, at = _joined(prompts), [], 0
    offsets = offsets_of(text)
    for _, prompt in prompts:
        end = at + len(prompt)
        inside = [k for k, (first, last) in enumerate(offsets) if at <= first < last <= end]
        if not inside:
            raise BadConfig(f"prompt: expected words in the model's vocabulary, found {prompt!r}. Reword it.")
        tokens.append((inside[0], inside[-1] + 1))
        at = end + 2  # the full stop and the space
    return PhraseText(text, tuple(class_id for class_id, _ in prompts), tuple(tokens))
