"""Lightning's Trainer for a run on one device that counts its own steps, and writes its own log and checkpoints."""

import sys

from lightning import Trainer

from offline_training.runs.backbone_config import BackboneConfig
from offline_training.runs.device import precision_of, uses_cuda


def step_trainer(config: BackboneConfig, out: str, precision: str, progress: bool) -> Trainer:
    """out: folder of the run; precision: as precision_of() takes it; progress: a bar, where there is a terminal.

    Raises BadConfig for a device that is not there.
    """
    return Trainer(
        default_root_dir=out,
        accelerator="gpu" if uses_cuda(config) else "cpu",
        devices=1,
        precision=precision_of(config, precision),
        max_epochs=1,
        logger=False,  # RunLog writes what there is to tell
        enable_checkpointing=False,  # its checkpoints are pickles; ours are in checkpoint.py
        enable_model_summary=False,
        enable_progress_bar=progress and sys.stderr.isatty(),
        use_distributed_sampler=False,
    )
