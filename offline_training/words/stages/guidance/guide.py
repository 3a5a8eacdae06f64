"""Stage 3 of 3DSS-VLG: a 3D network learns to give the specialised features; and the rounds of self-training after it."""

from pathlib import Path

from offline_training.words.settings.vlg_config import VlgConfig
from offline_training.words.stages.guidance.guiding_run import train_guided
from offline_training.words.stages.guidance.self_training import prepared_round


def guide(config: VlgConfig, resume: str = "auto") -> Path:
    """Train the network of a run, with config.self_training.rounds further rounds, and return its checkpoint.

    The checkpoint is `last`, or `best` where config.guide.select measures something. resume: "auto" goes on where there is a
    checkpoint, "never" refuses to touch one, "previous" goes on from that one. A run goes on with
    more steps than it was made for, its learning rate that of the new length from there on. Needs the features of `lidar-vl-train specialise`, or with specialise.enabled=false those of `extract-features`.
    Raises RunStopped when Ctrl-C or a SIGTERM ended it, after a checkpoint; BadCheckpoint, BadConfig, BadDataset, BadLabels, BadTextTable.
    """
    checkpoint = train_guided(config, resume)
    for number in range(1, config.self_training.rounds + 1):
        checkpoint = train_guided(prepared_round(config, number, checkpoint), resume)
    return checkpoint
