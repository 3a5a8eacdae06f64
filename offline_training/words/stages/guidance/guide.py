"""Stage 3 of 3DSS-VLG: a 3D network learns to predict the specialised features; followed by rounds of self-training."""

from pathlib import Path

from offline_training.words.settings.vlg_config import VlgConfig
from offline_training.words.stages.guidance.guiding_run import train_guided
from offline_training.words.stages.guidance.self_training import prepared_round


def guide(config: VlgConfig, resume: str = "auto") -> Path:
    """Train the network of a run, then config.self_training.rounds further rounds, and return the checkpoint.

    The checkpoint is `last`, or `best` if config.guide.select measures something. resume: "auto" resumes from a
    checkpoint if there is one, "never" refuses to touch one, "previous" resumes from the one before the last. A run may
    resume with more steps than it was started with; its learning rate then follows the new length. Needs the features
    of `lidar-vl-train specialise`, or with specialise.enabled=false those of `extract-features`. Raises RunStopped
    after Ctrl-C or SIGTERM, once a checkpoint is saved; BadCheckpoint, BadConfig, BadDataset, BadLabels, BadTextTable.
    """
    checkpoint = train_guided(config, resume)
    for number in range(1, config.self_training.rounds + 1):
        checkpoint = train_guided(prepared_round(config, number, checkpoint), resume)
    return checkpoint
