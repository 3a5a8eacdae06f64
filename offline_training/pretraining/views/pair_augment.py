"""Random changes to a sweep together with its pictures; every pair that is left still joins a point with its own pixel.

The order and the numbers are OLIVINE's: cloud turned and flipped, a cuboid dropped, each picture cropped and flipped.
Every function takes the randomness as `rng`; none changes its arguments.
"""

from dataclasses import replace
from typing import Literal

import numpy as np

from lidar_vl_core.foundation.config import Config, Use
from offline_training.datasets.augment.amounts import FactorRange, Probability
from offline_training.datasets.base.picture_resize import PixelRule, Window, moved_pixels, resized_ids, resized_rgb
from offline_training.pretraining.views.paired_scan import PairedScan

_CROP_SHAPES = 10  # tries to find a shape that fits the picture
_CROP_REDRAWS = 50  # tries to find a crop with enough pairs; then the whole picture is taken


class PairAugmentConfig(Config):
    """How pre-training changes its scans."""

    turn: bool = True  # the cloud about z, by any angle
    flip_probability: Probability = 0.5  # of the cloud
    flip_axes: Literal["each", "one"] = "each"  # x and y, each with the probability; one of the two, as ScaLR
    scale: FactorRange = (1.0, 1.0)  # of the cloud, uniform
    drop_cuboid: bool = True
    cuboid_extent: float = 0.2  # largest side of the dropped cuboid, as a share of the cloud's extent
    # independent: three shares; one_share: one of all three extents, as the code of SLidR and OLIVINE
    cuboid_sides: Literal["independent", "one_share"] = "independent"
    # the cuboid is not taken where fewer than min_pairs are left of an image that loses some; any_image: of any, as that code
    cuboid_undone: Literal["image_that_loses", "any_image"] = "image_that_loses"
    crop: bool = True  # else every picture is resized as a whole
    crop_area: FactorRange = (0.3, 1.0)  # share of the picture
    crop_ratio: FactorRange = (14 / 9, 17 / 9)  # width / height
    image_flip_probability: Probability = 0.5
    shuffle_images: bool = True
    min_pairs: int = 1024  # of an image, below which a cuboid or a crop is not taken
    kept_pairs: Probability = 0.75  # share of its pairs with which a crop is taken even so
    image_size: tuple[int, int] = (224, 416)  # height, width of what the image network sees
    antialias: bool = True  # pictures are averaged where they shrink; off: bilinear from four pixels, as that code
    pixel_rule: PixelRule = "centre"  # where a pixel goes in a resized picture; rounded as that code, floor as ScaLR

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others."""
        return (
            (self.flip_probability > 0, ("flip_axes",), "with flip_probability above 0"),
            (self.drop_cuboid, ("cuboid_extent", "cuboid_sides", "cuboid_undone"), "with drop_cuboid"),
            (self.crop, ("crop_area", "crop_ratio", "kept_pairs"), "with crop"),
            (self.crop or self.drop_cuboid, ("min_pairs",), "with crop or drop_cuboid"),
        )


def augment_pairs(scan: PairedScan, config: PairAugmentConfig, rng: np.random.Generator) -> PairedScan:
    """Change a scan at random; its pictures come out at config.image_size."""
    if config.shuffle_images:
        scan = shuffle_images(scan, rng)
    scan = move_cloud(scan, config, rng)
    if config.drop_cuboid:
        scan = drop_cuboid(scan, config, rng)
    scan = resized_crop(scan, config, rng) if config.crop else plain_resize(scan, config)
    return flip_images(scan, config.image_flip_probability, rng)


def shuffle_images(scan: PairedScan, rng: np.random.Generator) -> PairedScan:
    """The pictures in another order."""
    order = rng.permutation(len(scan.images))
    place_of = np.argsort(order)
    return replace(
        scan,
        images=tuple(scan.images[old] for old in order),
        superpixels=None if scan.superpixels is None else tuple(scan.superpixels[old] for old in order),
        image_index=place_of[scan.image_index],
    )


def shuffle_points(scan: PairedScan, rng: np.random.Generator) -> PairedScan:
    """The points in another order."""
    order = rng.permutation(len(scan))
    return replace(
        scan,
        xyz_m=scan.xyz_m[order],
        intensity=scan.intensity[order],
        point_index=np.argsort(order)[scan.point_index],
        class_id=None if scan.class_id is None else scan.class_id[order],
        segment=None if scan.segment is None else scan.segment[order],
    )


def move_cloud(scan: PairedScan, config: PairAugmentConfig, rng: np.random.Generator) -> PairedScan:
    """Turn about z, then mirror x and y, each or one of them or none, then scale."""
    angle = rng.uniform(0.0, 2.0 * np.pi) if config.turn else 0.0
    flip_x, flip_y = _flips(config, rng)
    factor = rng.uniform(*config.scale) if config.scale != (1.0, 1.0) else 1.0
    cosine, sine = np.cos(angle), np.sin(angle)
    linear = np.array([[flip_x * cosine, -flip_x * sine, 0], [flip_y * sine, flip_y * cosine, 0], [0, 0, 1]])
    return replace(scan, xyz_m=scan.xyz_m @ (factor * linear).T.astype(np.float32))


def drop_cuboid(scan: PairedScan, config: PairAugmentConfig, rng: np.random.Generator) -> PairedScan:
    """Drop the points strictly inside a cuboid around a random point, with their pairs.

    The scan stays whole when a picture, by default one that loses pairs, would be left with fewer than config.min_pairs.
    """
    if len(scan) == 0:
        return scan
    extent_m = np.ptp(scan.xyz_m, axis=0)
    center_m = scan.xyz_m[rng.integers(len(scan))]
    shares = rng.uniform(0.0, config.cuboid_extent, 3 if config.cuboid_sides == "independent" else 1)
    half_m = extent_m * shares / 2
    kept = ~(np.abs(scan.xyz_m - center_m) < half_m).all(axis=1)
    before = scan.pairs_per_image()
    after = np.bincount(scan.image_index[kept[scan.point_index]], minlength=len(scan.images))
    counts = (after < before) | (config.cuboid_undone == "any_image")
    if (counts & (after < config.min_pairs)).any():
        return scan
    return scan.take_points(kept)


def resized_crop(scan: PairedScan, config: PairAugmentConfig, rng: np.random.Generator) -> PairedScan:
    """A random window of each picture at config.image_size; pairs outside it go."""
    windows = []
    for number, image in enumerate(scan.images):
        pixel_uv = scan.pixel_uv[scan.image_index == number]
        windows.append(_window_with_pairs(pixel_uv, image.shape[:2], config, rng))
    return _resized(scan, windows, config)


def plain_resize(scan: PairedScan, config: PairAugmentConfig) -> PairedScan:
    """Each whole picture at config.image_size."""
    return _resized(scan, [_whole(image.shape[:2]) for image in scan.images], config)


def flip_images(scan: PairedScan, probability: float, rng: np.random.Generator) -> PairedScan:
    """Mirror each picture left to right, or not."""
    flipped = rng.random(len(scan.images)) < probability
    width = np.array([image.shape[1] for image in scan.images], np.int32)
    mirrored = flipped[scan.image_index]
    pixel_uv = scan.pixel_uv.copy()
    pixel_uv[mirrored, 0] = width[scan.image_index[mirrored]] - 1 - pixel_uv[mirrored, 0]

    def mirror(pictures: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
        return tuple(
            np.ascontiguousarray(one[:, ::-1]) if flip else one for one, flip in zip(pictures, flipped, strict=True)
        )

    superpixels = None if scan.superpixels is None else mirror(scan.superpixels)
    return replace(scan, images=mirror(scan.images), superpixels=superpixels, pixel_uv=pixel_uv)


def _flips(config: PairAugmentConfig, rng: np.random.Generator) -> tuple[float, float]:
    """Signs of x and y."""
    if config.flip_axes == "one":
        flipped = np.arange(2) == (rng.integers(2) if rng.random() < config.flip_probability else -1)
    else:
        flipped = rng.random(2) < config.flip_probability
    x, y = np.where(flipped, -1.0, 1.0)
    return float(x), float(y)


def _resized(scan: PairedScan, windows: list[Window], config: PairAugmentConfig) -> PairedScan:
    size = config.image_size
    pixel_uv, inside = np.zeros_like(scan.pixel_uv), np.zeros(len(scan.pixel_uv), bool)
    for number, window in enumerate(windows):
        mine = scan.image_index == number
        pixel_uv[mine], inside[mine] = moved_pixels(scan.pixel_uv[mine], window, size, config.pixel_rule)
    images = tuple(
        resized_rgb(image, size, window, config.antialias) for image, window in zip(scan.images, windows, strict=True)
    )
    superpixels = scan.superpixels
    if superpixels is not None:
        superpixels = tuple(resized_ids(ids, size, window) for ids, window in zip(superpixels, windows, strict=True))
    return replace(scan, images=images, superpixels=superpixels, pixel_uv=pixel_uv).take_pairs(inside)


def _window_with_pairs(
    pixel_uv: np.ndarray, shape: tuple[int, int], config: PairAugmentConfig, rng: np.random.Generator
) -> Window:
    """A random window with enough of the pairs; the whole picture when none is found."""
    for _ in range(_CROP_REDRAWS):
        window = _random_window(shape, config, rng)
        count = int(moved_pixels(pixel_uv, window, config.image_size, config.pixel_rule)[1].sum())
        if len(pixel_uv) == 0 or count > config.min_pairs or count > config.kept_pairs * len(pixel_uv):
            return window
    return _whole(shape)


def _random_window(shape: tuple[int, int], config: PairAugmentConfig, rng: np.random.Generator) -> Window:
    """Area uniform, log of the ratio uniform (as torchvision's RandomResizedCrop); the whole picture when none fits."""
    rows, columns = shape
    for _ in range(_CROP_SHAPES):
        area = rows * columns * rng.uniform(*config.crop_area)
        ratio = np.exp(rng.uniform(*np.log(config.crop_ratio)))
        width, height = round(np.sqrt(area * ratio)), round(np.sqrt(area / ratio))
        if 0 < width <= columns and 0 < height <= rows:
            return int(rng.integers(columns - width + 1)), int(rng.integers(rows - height + 1)), width, height
    return _whole(shape)


def _whole(shape: tuple[int, int]) -> Window:
    return 0, 0, shape[1], shape[0]
