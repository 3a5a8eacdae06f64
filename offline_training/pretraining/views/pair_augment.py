"""Augmentation of a sweep together with its images; every remaining pair still joins a point with its own pixel.

Order and numbers are OLIVINE's: cloud rotated and flipped, a cuboid dropped, each image cropped and flipped. Every
function takes its randomness as `rng`; none changes its arguments.
"""

from dataclasses import replace
from typing import Literal

import numpy as np

from lidar_vl_core.foundation.config import Config, Use
from offline_training.datasets.augment.amounts import FactorRange, Probability
from offline_training.datasets.base.picture_resize import PixelRule, Window, moved_pixels, resized_ids, resized_rgb
from offline_training.pretraining.views.paired_scan import PairedScan

_CROP_SHAPES = 10  # attempts to find a shape that fits the image
_CROP_REDRAWS = 50  # attempts to find a crop with enough pairs; then the whole image is used


class PairAugmentConfig(Config):
    """Augmentation of scans in pre-training."""

    turn: bool = True  # rotate the cloud about z, by any angle
    flip_probability: Probability = 0.5  # of the cloud
    flip_axes: Literal["each", "one"] = "each"  # x and y: each with the probability; one of the two, as in ScaLR
    scale: FactorRange = (1.0, 1.0)  # scale of the cloud, uniform
    drop_cuboid: bool = True
    cuboid_extent: float = 0.2  # largest side of the dropped cuboid, as a share of the cloud's extent
    # independent: three shares; one_share: the same for all three extents, as in the code of SLidR and OLIVINE
    cuboid_sides: Literal["independent", "one_share"] = "independent"
    # no cuboid is dropped if an image that loses pairs would have fewer than min_pairs; any_image: if any image would, as in that code
    cuboid_undone: Literal["image_that_loses", "any_image"] = "image_that_loses"
    crop: bool = True  # false: every image is resized as a whole
    crop_area: FactorRange = (0.3, 1.0)  # share of the image area
    crop_ratio: FactorRange = (14 / 9, 17 / 9)  # width / height
    image_flip_probability: Probability = 0.5
    shuffle_images: bool = True
    min_pairs: int = 1024  # fewest pairs of an image; cuboids and crops that leave fewer are rejected
    kept_pairs: Probability = 0.75  # share of its pairs with which a crop is accepted anyway
    image_size: tuple[int, int] = (224, 416)  # height, width of the image network's input
    antialias: bool = True  # average pixels when shrinking images; off: bilinear from four pixels, as in that code
    pixel_rule: PixelRule = (
        "centre"  # position of a pixel in a resized image: rounded as in that code, floor as in ScaLR
    )

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others."""
        return (
            (self.flip_probability > 0, ("flip_axes",), "with flip_probability above 0"),
            (self.drop_cuboid, ("cuboid_extent", "cuboid_sides", "cuboid_undone"), "with drop_cuboid"),
            (self.crop, ("crop_area", "crop_ratio", "kept_pairs"), "with crop"),
            (self.crop or self.drop_cuboid, ("min_pairs",), "with crop or drop_cuboid"),
        )


def augment_pairs(
    scan: PairedScan, config: PairAugmentConfig, rng: np.random.Generator, sensor_height_m: float = 0.0
) -> PairedScan:
    """Augment a scan; its images are resized to config.image_size. sensor_height_m: as in move_cloud()."""
    if config.shuffle_images:
        scan = shuffle_images(scan, rng)
    scan = move_cloud(scan, config, rng, sensor_height_m)
    if config.drop_cuboid:
        scan = drop_cuboid(scan, config, rng)
    scan = resized_crop(scan, config, rng) if config.crop else plain_resize(scan, config)
    return flip_images(scan, config.image_flip_probability, rng)


def shuffle_images(scan: PairedScan, rng: np.random.Generator) -> PairedScan:
    """The images of a scan in random order."""
    order = rng.permutation(len(scan.images))
    place_of = np.argsort(order)
    return replace(
        scan,
        images=tuple(scan.images[old] for old in order),
        superpixels=None if scan.superpixels is None else tuple(scan.superpixels[old] for old in order),
        image_index=place_of[scan.image_index],
    )


def shuffle_points(scan: PairedScan, rng: np.random.Generator) -> PairedScan:
    """The points of a scan in random order."""
    order = rng.permutation(len(scan))
    return replace(
        scan,
        xyz_m=scan.xyz_m[order],
        intensity=scan.intensity[order],
        point_index=np.argsort(order)[scan.point_index],
        class_id=None if scan.class_id is None else scan.class_id[order],
        segment=None if scan.segment is None else scan.segment[order],
    )


def move_cloud(
    scan: PairedScan, config: PairAugmentConfig, rng: np.random.Generator, sensor_height_m: float = 0.0
) -> PairedScan:
    """Rotate about z, then mirror x, y, both or neither, then scale about the sensor, at this height above the origin."""
    angle = rng.uniform(0.0, 2.0 * np.pi) if config.turn else 0.0
    flip_x, flip_y = _flips(config, rng)
    factor = rng.uniform(*config.scale) if config.scale != (1.0, 1.0) else 1.0
    cosine, sine = np.cos(angle), np.sin(angle)
    linear = np.array([[flip_x * cosine, -flip_x * sine, 0], [flip_y * sine, flip_y * cosine, 0], [0, 0, 1]])
    xyz_m = scan.xyz_m @ (factor * linear).T.astype(np.float32)
    if sensor_height_m:
        xyz_m[:, 2] += np.float32((1.0 - factor) * sensor_height_m)
    return replace(scan, xyz_m=xyz_m)


def drop_cuboid(scan: PairedScan, config: PairAugmentConfig, rng: np.random.Generator) -> PairedScan:
    """Drop the points strictly inside a cuboid around a random point, with their pairs.

    The cuboid is not dropped if an image (by default one that loses pairs) would be left with fewer than
    config.min_pairs.
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
    """A random window of each image, resized to config.image_size; pairs outside are removed."""
    windows = []
    for number, image in enumerate(scan.images):
        pixel_uv = scan.pixel_uv[scan.image_index == number]
        windows.append(_window_with_pairs(pixel_uv, image.shape[:2], config, rng))
    return _resized(scan, windows, config)


def plain_resize(scan: PairedScan, config: PairAugmentConfig) -> PairedScan:
    """Each whole image, resized to config.image_size."""
    return _resized(scan, [_whole(image.shape[:2]) for image in scan.images], config)


def flip_images(scan: PairedScan, probability: float, rng: np.random.Generator) -> PairedScan:
    """Mirror each image left to right with the given probability."""
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
    """Random signs of x and y."""
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
    """A random window with enough of the pairs; the whole image if none is found."""
    for _ in range(_CROP_REDRAWS):
        window = _random_window(shape, config, rng)
        count = int(moved_pixels(pixel_uv, window, config.image_size, config.pixel_rule)[1].sum())
        if len(pixel_uv) == 0 or count > config.min_pairs or count > config.kept_pairs * len(pixel_uv):
            return window
    return _whole(shape)


def _random_window(shape: tuple[int, int], config: PairAugmentConfig, rng: np.random.Generator) -> Window:
    """Uniform area, uniform log of the aspect ratio (as torchvision's RandomResizedCrop); the whole image if none fits."""
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
