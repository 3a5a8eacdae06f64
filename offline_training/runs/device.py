"""Where and how exactly a training computes. Sets torch up for the time of a run, and leaves it as it was."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

from lidar_vl_core.foundation.errors import BadConfig
from offline_training.runs.backbone_config import DeviceConfig

_PRODUCT_ERROR = 1e-5  # of the largest number


def uses_cuda(config: DeviceConfig) -> bool:
    """Whether a run is on CUDA; raises BadConfig where that is asked for and not there."""
    if config.device == "cuda" and not torch.cuda.is_available():
        raise BadConfig("device: expected a CUDA device for device=cuda, found none. Use device=cpu or auto.")
    return config.device != "cpu" and torch.cuda.is_available()


def sparse_form_of(config: DeviceConfig) -> str:
    """Form of sparse convolutions in training; raises BadConfig for a form on CUDA where it cannot run."""
    from offline_training.networks.sparse import torchsparse_conv, triton_conv

    can_run = {"torchsparse": torchsparse_conv.is_available, "triton": triton_conv.is_available}
    form = config.sparse_form
    if form in can_run and not (uses_cuda(config) and can_run[form]()):
        raise BadConfig(
            f"sparse_form: expected {form} and a CUDA device, found at least one missing. Use sparse_form=auto."
        )
    if form != "auto":
        return form
    # Triton's form has not been timed on a GPU yet, so it is nobody's default.
    return "torchsparse" if uses_cuda(config) and torchsparse_conv.is_available() else "auto"


@contextmanager
def torch_set_up(threads: int) -> Iterator[None]:
    """Threads (0 = as they are), matrix precision, the seed and what Lightning says; all is as before afterwards."""
    threads_before, precision_before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    log = logging.getLogger("lightning.pytorch")
    log_level = log.level
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        torch.set_float32_matmul_precision(_product_precision())
        if threads:
            torch.set_num_threads(threads)
        log.setLevel(logging.WARNING)
        # Advice on workers that does not fit one pass over all steps, and lightning's own use of an old name of torch.
        warnings.filterwarnings(
            "ignore", module=r"lightning\.pytorch\.(trainer\.connectors\.data_connector|utilities\._pytree)"
        )
        try:
            yield
        finally:
            log.setLevel(log_level)
            torch.set_num_threads(threads_before)
            torch.set_float32_matmul_precision(precision_before)


@cache
def _product_precision() -> str:
    """The least of torch's words under which float32 products on this processor keep float32's precision.

    "medium" sends them to oneDNN: on AMD 1.5 times faster with an error of 1e-6, but in bfloat16, with one of 4e-3, where the
    processor has instructions for that. CUDA takes TF32 under "high", too.
    """
    factor = torch.rand(256, 256, generator=torch.Generator().manual_seed(0))
    exact = factor.double() @ factor.double()
    before = torch.get_float32_matmul_precision()
    try:
        for word in ("medium", "high"):
            torch.set_float32_matmul_precision(word)
            if float((factor @ factor - exact).abs().max()) < _PRODUCT_ERROR * float(exact.max()):
                return word
    finally:
        torch.set_float32_matmul_precision(before)
    return "highest"
