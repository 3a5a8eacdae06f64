"""Files of weights that a configuration names, looked for without PyTorch."""

from pathlib import Path

from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig


def require_weight_file(path: Path) -> None:
    """Raise BadCheckpoint, with the command that fetches weights, where there is no such file."""
    if not path.is_file():
        raise BadCheckpoint(
            f"{path}: expected a file of weights, found none. Weights are never downloaded automatically: fetch them with "
            "`lidar-vl-train download MODEL --out FOLDER` where they are safetensors on the Hugging Face hub, else by hand, "
            "and give their path."
        )


def require_teacher_weights(kind: str, weights: Path | None, allow_random_weights: bool) -> None:
    """Raise BadConfig for an image teacher without weights unless random ones are allowed, BadCheckpoint without the file."""
    if weights is not None:
        require_weight_file(weights)
    elif not allow_random_weights:
        raise BadConfig(
            f"teacher_weights: expected a local file for {kind}, found none. A teacher with random weights teaches "
            "nothing: fetch the weights, with `lidar-vl-train download MODEL --out FOLDER` where they are safetensors on the "
            "Hugging Face hub, and give their path."
        )
