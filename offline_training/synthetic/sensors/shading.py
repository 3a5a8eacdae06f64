"""Light, textures, sky and haze of the synthetic world's camera images; everything in linear light until the end."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from offline_training.synthetic.sensors.scene import Hits
from offline_training.synthetic.streets.paint import CYCLE_LANE, PATCH, WHITE, YELLOW
from offline_training.synthetic.world.materials import Material, material_table

_NOISE_SIZE = 512


@dataclass(frozen=True)
class Weather:
    """Light of one drive."""

    sun_direction: np.ndarray  # (3,) towards the sun
    sun_rgb: np.ndarray  # (3,) linear
    sky_rgb: np.ndarray  # (3,) linear light from above
    horizon_rgb: np.ndarray  # (3,)
    zenith_rgb: np.ndarray  # (3,)
    cloud: float  # 0 clear .. 1 overcast
    haze_m: float  # distance at which contrast falls to 1/e
    noise_shift: tuple[int, int]


def weather(seed: int, sun_direction: np.ndarray) -> Weather:
    """The weather of a seed, from clear to overcast. sun_direction: (3,) unit vector."""
    rng = np.random.default_rng([seed, 4])
    cloud = float(rng.uniform(0.0, 0.9))
    sun = np.array([1.0, 0.93, 0.82]) * (2.6 - 1.9 * cloud)
    low = float(1.0 - sun_direction[2])
    return Weather(
        sun_direction=sun_direction.astype(np.float32),
        sun_rgb=(sun * [1.0, 1.0 - 0.1 * low, 1.0 - 0.25 * low]).astype(np.float32),
        sky_rgb=np.array([0.62 + 0.2 * cloud, 0.72 + 0.14 * cloud, 0.92], np.float32),
        horizon_rgb=np.array([0.66, 0.74, 0.84], np.float32) * (1.0 - 0.1 * cloud),
        zenith_rgb=np.array([0.16 + 0.34 * cloud, 0.32 + 0.24 * cloud, 0.68], np.float32),
        cloud=cloud,
        haze_m=float(rng.uniform(250, 900)),
        noise_shift=(int(rng.integers(_NOISE_SIZE)), int(rng.integers(_NOISE_SIZE))),
    )


@cache
def _noise() -> np.ndarray:
    """(512, 512) float32 smooth tileable noise of four octaves, mean 0, about -1..1."""
    rng = np.random.default_rng(20)
    total = np.zeros((_NOISE_SIZE, _NOISE_SIZE))
    for cells, weight in ((8, 0.5), (32, 0.3), (128, 0.25), (512, 0.25)):
        grid = rng.normal(size=(cells, cells))
        step = _NOISE_SIZE // cells
        position = np.arange(_NOISE_SIZE) / step
        low = position.astype(int)
        share = position - low
        share = share * share * (3 - 2 * share)
        rows = grid[low] * (1 - share)[:, None] + grid[(low + 1) % cells] * share[:, None]
        total += weight * (rows[:, low] * (1 - share) + rows[:, (low + 1) % cells] * share)
    return (total / total.std() * 0.5).astype(np.float32)


def noise_at(x: np.ndarray, y: np.ndarray, shift: tuple[int, int] = (0, 0)) -> np.ndarray:
    """Noise at (x, y), one cell per unit."""
    i = (x.astype(np.int32) + shift[0]) & (_NOISE_SIZE - 1)
    j = (y.astype(np.int32) + shift[1]) & (_NOISE_SIZE - 1)
    return _noise()[i, j]


def linear(color_rgb: np.ndarray) -> np.ndarray:
    """sRGB bytes (..., 3) to linear light, float32."""
    return _LINEAR[color_rgb]


_LINEAR = ((np.arange(256) / 255.0) ** 2.2).astype(np.float32)
_BYTE = np.clip(np.round(255 * (np.arange(4096) / 4095.0) ** (1 / 2.2)), 0, 255).astype(np.uint8)


def to_bytes(light_rgb: np.ndarray) -> np.ndarray:
    """Linear light (..., 3) to sRGB bytes, with a soft shoulder for what is too bright."""
    mapped = 1.0 - np.exp(-1.25 * light_rgb)
    return _BYTE[np.clip(mapped * (4095.0 / 0.95), 0, 4095).astype(np.int32)]


def sky(direction: np.ndarray, weather: Weather) -> np.ndarray:
    """Light of the sky (N, 3) in the directions (N, 3)."""
    up = np.clip(direction[:, 2], 0.0, 1.0)
    share = (1.0 - (1.0 - up) ** 3)[:, None]
    light = weather.horizon_rgb * (1 - share) + weather.zenith_rgb * share
    plane = 90.0 / np.maximum(direction[:, 2:3], 0.06)
    cover = noise_at(direction[:, 0] * plane[:, 0], direction[:, 1] * plane[:, 0], weather.noise_shift)
    veil = np.clip(cover * 0.8 + 1.6 * weather.cloud - 0.5, 0.0, 1.0) * np.clip(up * 6, 0, 1) * 0.85
    light = light + veil[:, None] * (np.float32(0.92 - 0.2 * weather.cloud) - light)
    towards_sun = np.clip(direction @ weather.sun_direction, 0.0, 1.0)
    glow = (0.25 * towards_sun**12 + 2.0 * towards_sun**1500) * (1.0 - 0.8 * weather.cloud)
    return light + glow[:, None] * weather.sun_rgb


def shade(hits: Hits, origin_m: np.ndarray, direction: np.ndarray, lit: np.ndarray, weather: Weather) -> np.ndarray:
    """Linear light (N, 3) float32 that comes along the rays. lit: (N,) bool, whether the sun reaches the hit."""
    light = np.empty((len(direction), 3), np.float32)
    hit = np.isfinite(hits.range_m)
    miss = ~hit
    light[miss] = sky(direction[miss], weather)
    rows = np.flatnonzero(hit)
    if not len(rows):
        return light
    material, range_m, normal, ray = hits.material[rows], hits.range_m[rows], hits.normal[rows], direction[rows]
    point = origin_m[rows] + range_m[:, None] * ray
    albedo = _albedo(hits, rows, point, weather)
    leaf = material == Material.LEAVES
    normal = normal.copy()
    normal[leaf] = 0.3 * normal[leaf] + _leaf_normal(point[leaf])
    sun = np.clip(normal @ weather.sun_direction, 0.0, 1.0) * lit[rows]
    ambient = 0.36 + 0.24 * normal[:, 2]
    bounce = 0.12 * np.clip(0.6 - normal[:, 2], 0, 1)
    total = (
        sun[:, None] * weather.sun_rgb
        + ambient[:, None] * weather.sky_rgb
        + bounce[:, None] * np.array([1.0, 0.95, 0.88], np.float32)
    )
    result = albedo * total * 0.7
    _add_reflections(result, material, normal, ray, sun, lit[rows], weather)
    result[material == Material.LAMP] += 0.45 * albedo[material == Material.LAMP]
    fade = np.exp(-range_m / weather.haze_m)[:, None]
    light[rows] = result * fade + weather.horizon_rgb * (1.0 - fade)
    return light


def _leaf_normal(point: np.ndarray) -> np.ndarray:
    """Leaves scatter light: mostly from above, and rougher than the triangles that stand for them."""
    x, y = point[:, 0] * 9 + point[:, 2] * 14, point[:, 1] * 9 - point[:, 2] * 11
    return np.stack([0.45 * noise_at(x, y), 0.45 * noise_at(y, x), 0.5 + 0.2 * noise_at(x + 100, y)], axis=1)


def _add_reflections(
    result: np.ndarray,
    material: np.ndarray,
    normal: np.ndarray,
    ray: np.ndarray,
    sun: np.ndarray,
    lit: np.ndarray,
    weather: Weather,
) -> None:
    glossy = np.flatnonzero(material_table().gloss[material] > 0.1)
    if not len(glossy):
        return
    gloss = material_table().gloss[material[glossy]]
    n, d = normal[glossy], ray[glossy]
    along = np.einsum("ij,ij->i", n, d)
    mirrored = d - 2 * along[:, None] * n
    facing = np.clip(-along, 0, 1)
    fresnel = gloss * (0.16 + 0.74 * (1 - facing) ** 4)
    seen = sky(mirrored, weather)
    above = np.clip(mirrored[:, 2:3] * 4 + 0.5, 0, 1)  # below the horizon the street is mirrored, not the sky
    seen = above * seen + (1 - above) * np.array([0.16, 0.16, 0.15], np.float32)
    highlight = np.clip(mirrored @ weather.sun_direction, 0, 1) ** 60 * lit[glossy] * gloss * 1.5
    result[glossy] += fresnel[:, None] * (seen - result[glossy]) + highlight[:, None] * weather.sun_rgb


def _albedo(hits: Hits, rows: np.ndarray, point: np.ndarray, weather: Weather) -> np.ndarray:
    material, uv, range_m = hits.material[rows], hits.uv_m[rows], hits.range_m[rows]
    albedo = linear(hits.color_rgb[rows])
    near = np.clip(1.3 - range_m / 28.0, 0.0, 1.0)  # fine patterns fade before they flicker
    shift = weather.noise_shift

    def of(*kinds: Material) -> np.ndarray:
        return np.flatnonzero(np.isin(material, kinds))

    at = of(Material.ASPHALT)
    coarse, fine = noise_at(uv[at, 0] * 6, uv[at, 1] * 24, shift), noise_at(uv[at, 0] * 60, uv[at, 1] * 60)
    albedo[at] *= (1.0 + 0.16 * coarse + 0.22 * fine * near[at])[:, None]
    _add_road_paint(albedo, hits.paint[rows], fine, at)
    at = of(Material.PAVING, Material.CONCRETE)
    albedo[at] *= (
        1.0
        + 0.12 * noise_at(uv[at, 0] * 20 + point[at, 2] * 30, uv[at, 1] * 20)
        + 0.08 * noise_at(point[at, 0] * 3, point[at, 1] * 3)
    )[:, None]
    at = of(Material.PAVING)
    slab = noise_at(uv[at, 0] / 0.6 * 7 // 7, uv[at, 1] / 0.6, shift)
    joint = ((uv[at, 0] % 0.6) < 0.035) | ((uv[at, 1] % 0.6) < 0.035)
    albedo[at] *= (1.0 + near[at] * (0.08 * slab - 0.3 * joint))[:, None]
    at = of(Material.GRASS, Material.SOIL)
    patch, blade = (
        noise_at(point[at, 0] * 2.5, point[at, 1] * 2.5, shift),
        noise_at(point[at, 0] * 45, point[at, 1] * 45),
    )
    albedo[at] *= (1.0 + 0.25 * patch + 0.35 * blade * (0.3 + 0.7 * near[at]))[:, None]
    albedo[at, 0] *= 1.0 + 0.25 * np.clip(patch, 0, 1)
    at = of(Material.LEAVES)
    mottle = noise_at(point[at, 0] * 11 + point[at, 2] * 17, point[at, 1] * 11 - point[at, 2] * 13, shift)
    albedo[at] *= (1.0 + 0.4 * mottle)[:, None]
    at = of(Material.PLASTER, Material.ROOF, Material.WOOD)
    albedo[at] *= (1.0 + 0.07 * noise_at(point[at, 0] * 9 + point[at, 1] * 9, point[at, 2] * 3, shift))[:, None]
    at = of(Material.BRICK)
    course = np.floor(uv[at, 1] / 0.08)
    along = uv[at, 0] / 0.24 + 0.5 * (course % 2)
    mortar = ((uv[at, 1] % 0.08) < 0.014) | ((along % 1.0) < 0.06)
    albedo[at] *= (1.0 + near[at] * (0.2 * noise_at(np.floor(along) * 13, course * 7, shift) + 0.45 * mortar))[:, None]
    return np.clip(albedo, 0.0, 1.0)


def _add_road_paint(albedo: np.ndarray, paint: np.ndarray, fine: np.ndarray, at: np.ndarray) -> None:
    code = paint[at]
    worn = 0.9 + 0.15 * np.clip(fine, -1, 1)
    for value, color in ((WHITE, (0.78, 0.78, 0.76)), (YELLOW, (0.72, 0.46, 0.06)), (CYCLE_LANE, (0.32, 0.09, 0.06))):
        rows = code == value
        albedo[at[rows]] = np.array(color, np.float32) * worn[rows, None]
    albedo[at[code == PATCH]] *= 0.62
