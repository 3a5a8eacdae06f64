"""Where in a cloud a text fits: similarity of every point, and its picture from above."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.drawing.bird_eye_view import VEHICLE_FROM_M, bird_eye_view, middle_and_half_width_m
from lidar_vl_core.drawing.palette import FAINT_RGB, INK_RGB
from lidar_vl_core.tasks.segmenter import Segmenter
from lidar_vl_core.words.prompts import same_words
from lidar_vl_core.words.vocabulary import VocabularyClass, vocabulary_of_prompts

if TYPE_CHECKING:
    from PIL.Image import Image

_QUANTILES = (0.05, 0.5, 0.95, 0.99)
_COLDEST = 0.5  # quantile of the similarity that is drawn cold: a text fits few of a cloud's points
_PANEL_PX = 900
_HEAT_RGB = np.array([FAINT_RGB, (253, 212, 158), (252, 141, 89), (215, 48, 31), (127, 0, 0)])  # cold to hot
_UNKNOWN_RGB = (206, 212, 218)


@dataclass(frozen=True, eq=False)
class QueryAnswer:
    """How well a text fits every point."""

    text: str
    similarity: np.ndarray  # (N,) float32 cosine; NaN where the network has no answer
    fits_best: np.ndarray  # (N,) bool: better than any other word of the package
    other_words: int

    def summary(self) -> list[str]:
        """Lines for people: quantiles of the similarity, and for how many points no other word fits better."""
        known = self.similarity[np.isfinite(self.similarity)]
        if len(known) == 0:
            return [f"{self.text!r}: no point in the network's range"]
        quantiles = ", ".join(
            f"{100 * q:.0f} % {value:.3f}" for q, value in zip(_QUANTILES, np.quantile(known, _QUANTILES), strict=True)
        )
        share = 100 * self.fits_best.sum() / len(known)
        return [
            f"{self.text!r}: cosine quantiles {quantiles}, largest {known.max():.3f}; {len(known):,} points",
            f"fits better than the package's {self.other_words} other words: {self.fits_best.sum():,} points, {share:.2f} %",
        ]


def query(cloud: PointCloud, text: str, segmenter: Segmenter) -> QueryAnswer:
    """Compare every point with a text, and with the other words of the package.

    Raises BadConfig for a text without words, UnknownPrompt for one that nothing here can embed, BadPointCloud, and
    BadModelPackage for a package without words.
    """
    asked = vocabulary_of_prompts([text])
    others = tuple(word for word in segmenter.known_prompts if same_words(word) != same_words(text))
    if others:
        rest = VocabularyClass(name=f"not {text}", prompts=others)
        asked = asked.model_copy(update={"classes": (*asked.classes, rest)})
    cosine = segmenter.similarities(cloud, segmenter.table_of(asked))
    with np.errstate(invalid="ignore"):
        fits_best = (cosine[:, :1] > cosine[:, 1:]).all(axis=1) & np.isfinite(cosine[:, 0])
    return QueryAnswer(text, cosine[:, 0], fits_best, len(others))


def query_figure(cloud: PointCloud, answer: QueryAnswer) -> "Image":
    """The cloud from above, from grey where the text fits as little as to half of the points to red where it fits best."""
    known = answer.similarity[np.isfinite(answer.similarity)]
    cold, hot = (float(np.quantile(known, _COLDEST)), float(known.max())) if len(known) else (0.0, 1.0)
    heat = np.clip((answer.similarity - cold) / max(hot - cold, 1e-6), 0.0, 1.0)
    colors = np.where(np.isfinite(heat)[:, None], _heat_rgb(np.nan_to_num(heat)), _UNKNOWN_RGB).astype(np.uint8)
    xyz_m = cloud.measured_xyz_m()
    middle_m, half_width_m = middle_and_half_width_m(xyz_m)
    picture = bird_eye_view(
        xyz_m - middle_m,
        colors,
        half_width_m,
        _PANEL_PX,
        priority=np.nan_to_num(answer.similarity, nan=-2.0),
        with_vehicle=half_width_m >= VEHICLE_FROM_M and not middle_m.any(),
    )
    return _with_scale(picture, f"{answer.text}: cosine with the text", cold, hot)


def _heat_rgb(heat: np.ndarray) -> np.ndarray:
    """(N, 3) colours of 0..1."""
    places = np.linspace(0.0, 1.0, len(_HEAT_RGB))
    return np.stack([np.interp(heat, places, channel) for channel in _HEAT_RGB.T], axis=1)


def _with_scale(picture: "Image", caption: str, cold: float, hot: float) -> "Image":
    """The picture under a caption, over a bar of its colours with the cosines at both ends."""
    from PIL import Image, ImageDraw, ImageFont

    top, bottom, bar = 34, 44, 300
    framed = Image.new("RGB", (picture.width, picture.height + top + bottom), "white")
    framed.paste(picture, (0, top))
    draw, font = ImageDraw.Draw(framed), ImageFont.load_default(size=16)
    draw.text((12, 8), caption, fill=INK_RGB, font=font)
    colors = _heat_rgb(np.linspace(0.0, 1.0, bar)).astype(np.uint8)
    left, upper = (picture.width - bar) // 2, top + picture.height + 12
    framed.paste(Image.fromarray(np.repeat(colors[None], 20, axis=0)), (left, upper))
    draw.text((left - 8, upper + 10), f"{cold:.3f}", fill=INK_RGB, font=font, anchor="rm")
    draw.text((left + bar + 8, upper + 10), f"{hot:.3f}", fill=INK_RGB, font=font, anchor="lm")
    return framed
