"""Weights of a trained network as arrays, batch norms folded into the convolutions before them."""

import numpy as np
from torch import Tensor, nn


def folded(
    weight: np.ndarray, norm: nn.Module, bias: np.ndarray | None = None, axis: int = -1
) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias of a convolution and the batch norm behind it in one; axis: of the weight, that of the outputs.

    Raises TypeError for a norm without running statistics.
    bias: (C_out,), as the bias returned; the weight keeps its shape.
    """
    mean, variance = getattr(norm, "running_mean", None), getattr(norm, "running_var", None)
    if not isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d) or mean is None or variance is None:
        raise TypeError(f"expected a batch norm with running statistics, found a {type(norm).__name__}")
    scale = as_array(norm.weight) / np.sqrt(as_array(variance).astype(np.float64) + norm.eps)
    shift = as_array(norm.bias) - as_array(mean) * scale
    along = [1] * weight.ndim
    along[axis] = -1
    if bias is not None:
        shift = shift + bias * scale
    return (weight * scale.reshape(along)).astype(np.float32), shift.astype(np.float32)


def as_array(tensor: Tensor) -> np.ndarray:
    """The numbers of a tensor, float32, in its shape."""
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), dtype=np.float32)
