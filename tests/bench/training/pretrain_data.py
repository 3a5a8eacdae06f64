"""What one scan costs a loader process before it reaches the network, stage by stage.

A synthetic frame (hdl32, six pictures of 240 pixels' width) and, where the real recordings are, a PandaSet frame (168,000
points, six pictures of 1920 pixels' width, ESPNet's labels). One thread of torch, as in a loader process.

Run: python -m tests.bench.training.pretrain_data
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.report.table import print_table, row

REPEATS = 7
_DATA = Path(os.environ.get("LIDAR_VL_TEST_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))


def measure() -> list[dict[str, Any]]:
    """Rows of the table."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            return [
                row
                for name, source, labels in sources(Path(folder))
                for row in _stages(name, source, labels, Path(folder))
            ]
    finally:
        torch.set_num_threads(before)


def sources(folder: Path) -> Iterator[tuple[str, Any, Callable]]:
    """Name, data set and weak classes of a view."""
    try:
        import embreex  # noqa: F401
    except ImportError:
        print("pre-training data: embreex is not installed, so no synthetic frame is measured", file=sys.stderr)
    else:
        from offline_training.datasets.lidar.files.synthetic_pictures import PictureSpec
        from offline_training.datasets.lidar.synthetic_streets import SyntheticDataset
        from offline_training.synthetic.sensors.lidar_spec import LIDARS

        data = SyntheticDataset([5], 2, folder, LIDARS["hdl32"], gap_s=0.5, pictures=PictureSpec(240))
        data.prepare()
        yield "synthetic, 240 px", data, data.true_class_image
    sequence = _DATA / "pandaset_002"
    if not sequence.is_dir():
        print(f"pre-training data: no {sequence}, so no PandaSet frame is measured", file=sys.stderr)
        return
    from offline_training.datasets.lidar.pandaset import PandaSet

    yield "PandaSet, 1920 px", PandaSet(sequence, ["00", "02"]), partial(_espnet, _DATA / "weak_labels_espnet")


def _espnet(folder: Path, view: Any) -> np.ndarray:
    from PIL import Image

    with Image.open(folder / "pandaset_002" / "camera" / view.name / "00.png") as labels:
        return np.array(labels)


def _stages(name: str, source: Any, labels: Callable, folder: Path) -> list[dict[str, Any]]:
    from lidar_vl_core.cameras.pairing import ZBuffer
    from offline_training.pretraining.views.pair_augment import PairAugmentConfig, augment_pairs
    from offline_training.pretraining.views.pair_cache import PairCache
    from offline_training.pretraining.views.paired_scan import pair_scan
    from offline_training.pretraining.views.posed_source import neighbour
    from offline_training.pretraining.views.pretrain_batch import collate_pairs
    from offline_training.pretraining.views.temporal_segments import common_segments
    from offline_training.pretraining.views.two_views import overlapping_views
    from offline_training.runs.backbone_config import BackboneConfig
    from offline_training.runs.backbones import preparer_of

    rng, config, preparer = np.random.default_rng(0), PairAugmentConfig(), preparer_of(BackboneConfig())
    sample, there = source[0], neighbour(source, 0)
    scan = pair_scan(sample, labels, max_image_width=480)
    changed = augment_pairs(scan, config, rng)
    cache = PairCache(folder / name, {})
    cache.scan("0", lambda: scan)
    here, other = sample.cloud, there.sample.cloud
    stages: dict[str, Callable[[], Any]] = {
        "load cloud and views": lambda: source[0],
        "decode six pictures": lambda: [view.load_rgb() for view in sample.views],
        "decode and pair": lambda: pair_scan(sample),
        "decode, pair, read weak classes, shrink to 480 px": lambda: pair_scan(sample, labels, max_image_width=480),
        "the same with z-buffer": lambda: pair_scan(sample, labels, occlusion=ZBuffer(), max_image_width=480),
        "the same scan from the cache": lambda: cache.scan("0", lambda: scan),
        "augment": lambda: augment_pairs(scan, config, rng),
        "collate": lambda: collate_pairs([changed], preparer),
        "segments of two sweeps": lambda: common_segments(here.xyz_m, other.xyz_m, there.T_here_there, rng),
        "matched views of two sweeps": lambda: overlapping_views(
            here.xyz_m, here.intensity, other.xyz_m, other.intensity, there.T_here_there, rng
        ),
    }
    return [row(f"{name}: {stage}", _median_ms(run), "ms") for stage, run in stages.items()]


def _median_ms(run: Callable[[], Any]) -> float:
    """Of the processor's time, so that other processes count less."""
    run()
    times_ms = []
    for _ in range(REPEATS):
        started = time.process_time()
        run()
        times_ms.append((time.process_time() - started) * 1e3)
    return statistics.median(times_ms)


if __name__ == "__main__":
    print_table(measure())
