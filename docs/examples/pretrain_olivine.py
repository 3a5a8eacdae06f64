"""Pre-train a network with OLIVINE on synthetic streets, in a minute: python docs/examples/pretrain_olivine.py [STEPS]

Shows the parts, not the results: the image teacher has random weights and the classes are the ground truth. With weights of your
own set `teacher_weights`; with labels of `lidar-vl-train weak-label` set `weak_labels` in place of `labels`. Writes
pretrain_olivine/; `lidar-vl-train finetune ... start_from=pretrain_olivine/checkpoints` starts from its checkpoints.
"""

import json
import sys
from pathlib import Path

from offline_training.pretraining.config import pretrain_config_of
from offline_training.pretraining.pretrain import pretrain

OUT = Path("pretrain_olivine")
LOSSES = ("point_pixel", "weakly_supervised", "consistency", "loss")


def settings(steps: int) -> dict:
    """What differs from the defaults; offline_training/configs/pretrain/*.yaml have the same keys."""
    streets = {"kind": "synthetic", "folder": str(OUT / "sweeps"), "streets": 4, "frames_per_street": 1}
    return {
        "method": "olivine",
        "out": str(OUT),
        "train": [{**streets, "lidar": "vlp16", "image_width": 96}],
        "labels": "truth",
        "network": "minkunet_small",
        "stem": 16,
        "planes": [16, 16, 32, 32, 32, 32, 16, 16],
        "voxel_size": [0.2, 0.2, 0.2],
        "point_cloud_range": [-38.4, -38.4, -6.4, 38.4, 38.4, 6.4],
        "teacher": "espnet",
        "allow_random_weights": True,
        "image_size": [48, 80],
        "augment": {"min_pairs": 50},
        "matches": 512,
        "optimizer": "adamw",
        "learning_rate": 0.01,
        "weight_decay": 0.01,
        "schedule": "cosine_per_step",
        "vmf_decay": 0.1,  # class statistics freeze after 1 / 0.1 steps; the consistency loss starts there
        "max_steps": steps,
        "batch_size": 2,
        "workers": 0,
        "device": "cpu",
        "progress": False,
    }


def main() -> None:
    """Train, then print the first and the last losses; the same command with more steps resumes."""
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    checkpoint = pretrain(pretrain_config_of(settings(steps), "pretrain_olivine.py"))
    told = [json.loads(line) for line in (OUT / "metrics.jsonl").read_text().splitlines()]
    for row in (told[0], told[-1]):
        print(f"step {row['step']}: " + ", ".join(f"{name} {row[name]:.3f}" for name in LOSSES))
    print(f"checkpoint: {checkpoint}")


if __name__ == "__main__":
    main()
