"""Where in a cloud a text fits: similarity of every point, and its image from above."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.drawing.bird_eye_view import VEHICLE_FROM_M, bird_eye_view, middle_and_half_width_m
from lidar_vl_core.drawing.palette import FAINT_RGB, INK_RGB
from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.tasks.segmenter import Segmenter
from lidar_vl_core.words.prompts import same_words
from lidar_vl_core.words.vocabulary import VocabularyClass, vocabulary_of_prompts

if TYPE_CHECKING:
    from PIL.Image import Image

_QUANTILES = (0.05, 0.5, 0.95, 0.99)
_UNDECIDED = 0.5  # probability of two words that fit alike
_SHOWN = 3  # negative words
_PANEL_PX = 900
_HEAT_RGB = np.array([FAINT_RGB, (253, 212, 158), (252, 141, 89), (215, 48, 31), (127, 0, 0)])  # cold to hot
_UNKNOWN_RGB = (206, 212, 218)


@dataclass(frozen=True, eq=False)
class QueryAnswer:
    """How well a text fits every point."""

    text: str
    similarity: np.ndarray  # (N,) float32 cosine; NaN where the network has no answer
    # (N,) float32 0..1, probability of the text against the one of the other words that fits best (LERF, Kerr et al., ICCV 2023); NaN as above
    relevance: np.ndarray
    others: str  # which words these were, for people

    @property
    def fits(self) -> np.ndarray:
        """(N,) bool: whether the text fits better than any other word."""
        with np.errstate(invalid="ignore"):
            return self.relevance > _UNDECIDED

    @property
    def share(self) -> float:
        """The share of answered points that the text fits; 0 where there are none."""
        return float(self.fits.sum() / max(np.isfinite(self.relevance).sum(), 1))

    def summary(self) -> list[str]:
        """Lines for people: quantiles of the similarity, and for how many points no other word fits better."""
        known = self.similarity[np.isfinite(self.similarity)]
        if len(known) == 0:
            return [f"{self.text!r}: no point in the network's range"]
        quantiles = ", ".join(
            f"{100 * q:.0f} % {value:.3f}" for q, value in zip(_QUANTILES, np.quantile(known, _QUANTILES), strict=True)
        )
        return [
            f"{self.text!r}: cosine quantiles {quantiles}, largest {known.max():.3f}; {len(known):,} points",
            f"fits better than {self.others}: {self.fits.sum():,} points, {100 * self.share:.2f} %",
        ]


def query(cloud: PointCloud, text: str, segmenter: Segmenter, negatives: Sequence[str] = ()) -> QueryAnswer:
    """Compare every point with a text, and with other words: `negatives`, or where there are none those of the package.

    Raises BadConfig for a text without words, and where there is no other word; UnknownPrompt for one that nothing here can embed,
    BadPointCloud, and BadModelPackage for a package without words.
    """
    asked = vocabulary_of_prompts([text])
    wanted = tuple(word.strip() for word in negatives) or segmenter.known_prompts
    others = tuple(word for word in wanted if same_words(word) != same_words(text))
    if not others or not all(others):
        raise BadConfig(
            f"negative words: expected something to compare {text!r} with, found {[*wanted]}. Give other words, such as "
            "object or stuff."
        )
    told = {"name": f"not {text.strip()}", "prompts": list(others)}
    rest = validated(VocabularyClass, told, "negative words")
    asked = asked.model_copy(update={"classes": (*asked.classes, rest)})
    table = segmenter.table_of(asked)
    cosine = segmenter.similarities(cloud, table)
    behind = table.logit_scale * (cosine[:, 1:].max(axis=1) - cosine[:, 0])
    with np.errstate(over="ignore"):
        relevance = 1.0 / (1.0 + np.exp(behind))
    named = ", ".join(map(repr, others[:_SHOWN])) + (
        f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
    )
    if not negatives:
        named = f"the package's {len(others)} other words"
    return QueryAnswer(text, cosine[:, 0], relevance.astype(np.float32), named)


def query_figure(cloud: PointCloud, answer: QueryAnswer) -> "Image":
    """The cloud from above: grey where another word fits better, otherwise the redder the more confident. The scale is the same for all clouds."""
    heat = np.clip((answer.relevance - _UNDECIDED) / (1.0 - _UNDECIDED), 0.0, 1.0)
    colors = np.where(np.isfinite(heat)[:, None], _heat_rgb(np.nan_to_num(heat)), _UNKNOWN_RGB).astype(np.uint8)
    xyz_m = cloud.measured_xyz_m()
    middle_m, half_width_m = middle_and_half_width_m(xyz_m)
    picture = bird_eye_view(
        xyz_m - middle_m,
        colors,
        half_width_m,
        _PANEL_PX,
        priority=np.nan_to_num(answer.relevance, nan=-1.0),
        with_vehicle=half_width_m >= VEHICLE_FROM_M and not middle_m.any(),
    )
    caption = f"{answer.text}: fits {100 * answer.share:.2f} % of the points better than {answer.others}"
    return _with_scale(picture, caption)


def _heat_rgb(heat: np.ndarray) -> np.ndarray:
    """(N, 3) colours of 0..1."""
    places = np.linspace(0.0, 1.0, len(_HEAT_RGB))
    return np.stack([np.interp(heat, places, channel) for channel in _HEAT_RGB.T], axis=1)


def _with_scale(picture: "Image", caption: str) -> "Image":
    """The image under a caption, over a bar of its colours with the probabilities at both ends."""
    from PIL import Image, ImageDraw, ImageFont

    top, bottom, bar = 34, 44, 300
    framed = Image.new("RGB", (picture.width, picture.height + top + bottom), "white")
    framed.paste(picture, (0, top))
    draw, font = ImageDraw.Draw(framed), ImageFont.load_default(size=16)
    draw.text((12, 8), caption, fill=INK_RGB, font=font)
    colors = _heat_rgb(np.linspace(0.0, 1.0, bar)).astype(np.uint8)
    left, upper = (picture.width - bar) // 2, top + picture.height + 12
    framed.paste(Image.fromarray(np.repeat(colors[None], 20, axis=0)), (left, upper))
    draw.text((left - 8, upper + 10), f"{_UNDECIDED:.1f}", fill=INK_RGB, font=font, anchor="rm")
    draw.text((left + bar + 8, upper + 10), "1.0", fill=INK_RGB, font=font, anchor="lm")
    return framed
