"""What a training run asks of the machine: its device, number format, form of sparse convolutions, threads."""

import logging
import warnings
from typing import Any

import torch

from lidar_vl_core.errors import BadConfig
from offline_training.backbone_config import BackboneConfig


def uses_cuda(config: BackboneConfig) -> bool:
    """Whether the run is on CUDA. Raises BadConfig where it asks for what is not there."""
    if config.device == "cuda" and not torch.cuda.is_available():
        raise BadConfig("device: expected a CUDA device for device=cuda, found none. Use device=cpu or auto.")
    return config.device != "cpu" and torch.cuda.is_available()


def precision(config: BackboneConfig, asked: str) -> Any:  # noqa: ANN401  Lightning's literal type
    """Number format; "auto" is bf16-mixed on CUDA and 32-true on a CPU."""
    return ("bf16-mixed" if uses_cuda(config) else "32-true") if asked == "auto" else asked


def sparse_form(config: BackboneConfig) -> str:
    """Form of sparse convolutions. Raises BadConfig where torchsparse is asked for and cannot run."""
    from offline_training.networks.torchsparse_conv import is_available

    if config.sparse_form == "torchsparse" and not (uses_cuda(config) and is_available()):
        raise BadConfig("sparse_form: expected torchsparse and a CUDA device, found not both. Use sparse_form=auto.")
    if config.sparse_form != "auto":
        return config.sparse_form
    return "torchsparse" if uses_cuda(config) and is_available() else "auto"


def set_up_torch(threads: int) -> None:
    """Threads (0 = all cores), fast float32 products, and no advice from Lightning that does not fit."""
    # On AMD this sends float32 products to oneDNN: 1.5 times faster, error still 1e-6. On CUDA it allows TF32.
    torch.set_float32_matmul_precision("medium")
    if threads:
        torch.set_num_threads(threads)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    # Advice on workers that does not fit one pass over all steps, and lightning's own use of an old name of torch.
    warnings.filterwarnings(
        "ignore", module=r"lightning\.pytorch\.(trainer\.connectors\.data_connector|utilities\._pytree)"
    )
