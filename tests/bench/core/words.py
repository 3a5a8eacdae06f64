"""Prompts: what naming a cloud by a text table costs behind the network, on all cores. Run: python -m tests.bench.core.words"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from lidar_vl_core.engines.cpu.prompt_head import PromptHead
from lidar_vl_core.sparse_model.graph import LinearHead
from lidar_vl_core.voxels.grid import VoxelGrid, voxelise
from lidar_vl_core.words.text_table import TextTable, label_embeddings
from lidar_vl_core.words.vocabulary import vocabulary_of_prompts
from lidar_vl_core.words.vocabulary_table import text_table

POINTS, PROMPTS, CHANNELS = 100_000, 32, 512
WIDTHS = {"small": 32, "MinkUNet18A": 96}  # features before the last layer
RUNS = 30
TARGET_MS = 5.0


def measure() -> list[dict[str, Any]]:
    """Rows of {name, value, unit, target, passed}; each the fastest of some runs."""
    rng = np.random.default_rng(0)
    point_to_voxel = sweep_voxels()
    voxels = int(point_to_voxel.max()) + 1
    rows: list[dict[str, Any]] = []
    for network, width in WIDTHS.items():
        prompts = prompt_head(width, rng)
        features = rng.normal(size=(POINTS, width)).astype(np.float32)
        each_its_own = np.arange(POINTS, dtype=np.int32)
        require_equal(prompts, features[:2000])
        about = f"{PROMPTS} prompts of {CHANNELS} channels, {POINTS:,} points, {network} (F={width})"
        sweep = fastest_ms(lambda p=prompts, f=features[:voxels]: p.label_points(f, point_to_voxel))
        apart = fastest_ms(lambda p=prompts, f=features, own=each_its_own: p.label_points(f, own))
        plain = fastest_ms(lambda p=prompts, f=features: plain_product(p.embeddings(f), p.table), runs=3)
        reference = fastest_ms(lambda p=prompts, f=features: label_embeddings(p.embeddings(f), p.table), runs=1)
        rows.append(row(f"{about}: a sweep in {voxels:,} voxels", sweep, TARGET_MS))
        rows.append(row(f"{about}: every point a voxel of its own", apart))
        rows.append(row(f"{about}: the same by embeddings, product and norm alone", plain))
        rows.append(row(f"{about}: the same by label_embeddings()", reference))
    return rows


def prompt_head(width: int, rng: np.random.Generator, prompts: int = PROMPTS) -> PromptHead:
    """A random last layer under random prompts."""
    weight = (rng.normal(size=(width, CHANNELS)) / np.sqrt(width)).astype(np.float32)
    words = vocabulary_of_prompts([f"prompt {number}" for number in range(prompts)])
    table = text_table(words, rng.normal(size=(prompts, CHANNELS)), 100.0, "random")
    return PromptHead(LinearHead(weight, np.zeros(CHANNELS, np.float32)), table)


def plain_product(embedding: np.ndarray, table: TextTable) -> np.ndarray:
    """Cosines the direct way, in float32."""
    return (embedding @ table.embeddings.T) / np.sqrt(np.einsum("ij,ij->i", embedding, embedding))[:, None]


def sweep_voxels() -> np.ndarray:
    """(POINTS,) int32 voxel of every point of a 64-beam sweep over a plane between walls, in voxels of 0.1 m."""
    rings = 64
    elevation = np.deg2rad(np.linspace(-24.8, 2.0, rings))[:, None]
    azimuth = np.linspace(-np.pi, np.pi, -(-POINTS // rings), endpoint=False)[None]
    wall_m = 18 + 12 * np.abs(np.sin(3 * azimuth)) + 2 * np.sin(40 * azimuth)
    with np.errstate(divide="ignore"):
        ground_m = np.where(elevation < 0, -1.73 / np.tan(elevation), np.inf)
    reach_m = np.minimum(ground_m, wall_m)
    xyz_m = np.stack([reach_m * np.cos(azimuth), reach_m * np.sin(azimuth), reach_m * np.tan(elevation)], axis=-1)
    points = xyz_m.reshape(-1, 3)[:POINTS].astype(np.float32)
    points += np.random.default_rng(1).normal(0, 0.02, points.shape).astype(np.float32)
    grid = VoxelGrid("cartesian", (0.1, 0.1, 0.1), (-51.2, -51.2, -5.0, 51.2, 51.2, 3.0))
    return voxelise(points, grid).point_to_voxel


def require_equal(prompts: PromptHead, features: np.ndarray) -> None:
    """Raise RuntimeError unless the fast path answers as the readable one."""
    fast = prompts.label_points(features, np.arange(len(features), dtype=np.int32))
    slow = label_embeddings(prompts.embeddings(features), prompts.table)
    same = float(np.mean(fast[0] == slow[0]))
    if same < 0.999 or np.abs(fast[1] - slow[1])[fast[0] == slow[0]].max() > 1e-3:
        raise RuntimeError(f"expected equal answers of both paths, found {100 * same:.2f} % equal classes.")


def fastest_ms(call: Callable[[], Any], runs: int = RUNS) -> float:
    """Fastest of some calls after one that compiles."""
    call()
    times = []
    for _ in range(runs):
        start_s = time.perf_counter()
        call()
        times.append(time.perf_counter() - start_s)
    return 1e3 * min(times)


def row(name: str, value_ms: float, target_ms: float | None = None) -> dict[str, Any]:
    """One line of the table."""
    target = "" if target_ms is None else f"< {target_ms:g}"
    passed = None if target_ms is None else value_ms < target_ms
    return {"name": name, "value": round(value_ms, 2), "unit": "ms", "target": target, "passed": passed}


if __name__ == "__main__":
    from tests.bench.report.table import print_table

    print_table(measure())
