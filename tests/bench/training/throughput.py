"""Where the time of pre-training goes, stage by stage, and whether loader processes keep up with a GPU.

The stages of a loader process (one thread): read the sweep, decode its pictures, pair, augment, find voxels, build kernel maps,
collate. Those of the training process: forward, image teacher, sampling, heads and losses, backward, optimiser. A synthetic
frame and, where the real recordings are, a PandaSet one; each stage takes what the stage before it gave.

Run: python -m tests.bench.training.throughput --step-ms 150 --batch 4
"""

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from lidar_vl_core.commands.program.command_line import CommandLine
from tests.bench.report.table import print_table, row
from tests.bench.training.pretrain_data import sources

_REPEATS = 7
_LOADER = ("read", "decode", "pair", "augment", "voxels", "maps", "collate")


def measure(step_ms: float = 150.0, batch: int = 4, network: str = "minkunet_small") -> list[dict[str, Any]]:
    """Rows {name, value, unit, target, passed}. step_ms: what a GPU takes for a step of `batch` clouds, to compare with."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, source, _ in sources(Path(folder)):
            ms_of = {stage: statistics.median(times) for stage, times in _times_ms(source, batch, network).items()}
            for stage, ms in ms_of.items():
                rows.append(row(f"{name}: {stage}", ms, "ms a cloud"))
                rows.append(row(f"{name}: {stage}", 1e3 / ms, "clouds/s"))
            loader_ms = sum(ms_of[stage] for stage in _LOADER)
            cuda_ms = loader_ms - ms_of["maps"]  # which are made on the GPU there
            step_ms_of_cloud = sum(ms_of.values()) - loader_ms - ms_of["sampling alone"]
            share = 100.0 * ms_of["sampling, heads and losses"] / step_ms_of_cloud
            rows += [
                row(f"{name}: a loader process", 1e3 / loader_ms, "clouds/s"),
                row(f"{name}: sampling, heads and losses, of a step without its data", share, "%"),
                row(f"{name}: wanted by a GPU of {step_ms:g} ms a step of {batch}", batch * 1e3 / step_ms, "clouds/s"),
                row(f"{name}: loader processes that feed it", math.ceil(cuda_ms * batch / step_ms), "processes"),
            ]
    return rows


def _times_ms(source: Any, batch: int, network: str) -> dict[str, list[float]]:
    """Milliseconds of each stage for one cloud, several times."""
    import torch

    times: dict[str, list[float]] = {}
    collated = None
    before = torch.get_num_threads()
    for number in range(_REPEATS + 1):
        torch.set_num_threads(1)  # as in a loader process
        for stage, ms, result in _loader_stages(source, number, batch, network):
            times.setdefault(stage, []).append(ms)
            collated = result
    torch.set_num_threads(before)
    for stage, ms in _step_stages(collated, batch, network):
        times.setdefault(stage, []).append(ms)
    return {stage: several[1:] for stage, several in times.items()}  # the first compiles and warms up


def _loader_stages(source: Any, seed: int, batch: int, network: str) -> Iterator[tuple[str, float, Any]]:
    """Name, milliseconds and result of each stage of one cloud; the last gives a batch of `batch` of them."""
    import numpy as np

    from offline_training.pretraining.views.pair_augment import PairAugmentConfig, augment_pairs
    from offline_training.pretraining.views.paired_scan import pair_scan
    from offline_training.pretraining.views.pretrain_batch import collate_pairs
    from offline_training.runs.backbone_config import BackboneConfig
    from offline_training.runs.backbones import preparer_of

    preparer = replace(preparer_of(BackboneConfig(network=network, device="cpu")), tables_later=True)
    ms, sample = _timed(lambda: source[0])
    yield "read", ms, sample
    ms, pictures = _timed(lambda: [view.load_rgb() for view in sample.views])
    yield "decode", ms, pictures
    views = tuple(replace(view, load_rgb=lambda p=p: p) for view, p in zip(sample.views, pictures, strict=True))
    ms, scan = _timed(lambda: pair_scan(replace(sample, views=views), max_image_width=480))
    yield "pair", ms, scan
    ms, changed = _timed(lambda: augment_pairs(scan, PairAugmentConfig(), np.random.default_rng(seed)))
    yield "augment", ms, changed
    ms, inputs = _timed(lambda: preparer([(changed.xyz_m, changed.intensity)]))
    yield "voxels", ms, inputs
    ms, tables = _timed(lambda: inputs.maps.tables)
    yield "maps", ms, tables
    ms, _ = _timed(lambda: collate_pairs([changed], lambda scans: inputs))
    whole = collate_pairs([changed] * batch, preparer)
    yield "collate", ms, replace(whole, pair_class=whole.pair_true_class)


def _step_stages(batch: Any, clouds: int, network: str) -> Iterator[tuple[str, float]]:
    """Name and milliseconds of each stage of the training process, for one of the clouds of a batch."""
    import torch

    from offline_training.losses.pair_sampling import draw_pairs
    from offline_training.pretraining.config import pretrain_config_of
    from offline_training.pretraining.known_methods import METHODS
    from offline_training.runs.backbones import build_backbone
    from offline_training.runs.device import torch_set_up

    config = pretrain_config_of({**_SETTINGS, "network": network}, "benchmark")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    teacher = config.build_teacher().to(device)
    backbone = build_backbone(config, None).to(device)
    objective = METHODS["olivine"].objective(config, None, backbone, teacher).to(device)
    optimizer = torch.optim.SGD([*backbone.parameters(), *objective.heads.parameters()], lr=0.01, momentum=0.9)
    generator = torch.Generator().manual_seed(0)
    with torch_set_up(0):
        for _ in range(_REPEATS + 1):
            here = batch.to(device)
            forward_ms, features = _timed(lambda: objective.features(backbone, here))  # noqa: B023
            teacher_ms, teacher_map = _timed(lambda: teacher(here.rgb()))  # noqa: B023
            sampling_ms, _ = _timed(lambda: _drawn(objective, here, generator, draw_pairs))  # noqa: B023
            losses_ms, losses = _timed(lambda: objective(features, teacher_map, here, 1, generator))  # noqa: B023
            optimizer.zero_grad()
            backward_ms, _ = _timed(lambda: losses["loss"].backward())  # noqa: B023
            optimizer_ms, _ = _timed(optimizer.step)
            yield "forward", forward_ms / clouds
            yield "image teacher", teacher_ms / clouds
            yield "sampling alone", sampling_ms / clouds
            yield "sampling, heads and losses", losses_ms / clouds
            yield "backward", backward_ms / clouds
            yield "optimiser", optimizer_ms / clouds


_SETTINGS = {
    "out": "",
    "train": [{"kind": "synthetic", "folder": "none"}],
    "labels": "truth",
    "teacher": "espnet",
    "allow_random_weights": True,
    "vmf_freeze_step": 0,
    "max_steps": 1,
}


def _drawn(objective: Any, batch: Any, generator: Any, draw_pairs: Callable[..., Any]) -> None:
    """Both draws of a step."""
    weights = objective.pair_weights(batch)
    draw_pairs(weights.new_ones(len(weights)), objective.matches, generator)
    draw_pairs(weights, objective.matches, generator)


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = work()
    _wait_for_device()
    return 1e3 * (time.perf_counter() - began), result


def _wait_for_device() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


if __name__ == "__main__":
    parser = CommandLine(
        prog="python -m tests.bench.training.throughput",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--step-ms", type=float, default=150.0, help="what a GPU takes for a step")
    parser.add_argument("--batch", type=int, default=4, help="clouds of a step")
    parser.add_argument("--network", default="minkunet_small", help="a sparse U-Net")
    asked = parser.parse_args()
    print_table(measure(asked.step_ms, asked.batch, asked.network))
