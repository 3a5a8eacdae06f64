"""Converts the logits of a head's map to scores."""

import numpy as np


def sigmoid(logit: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-logit)) in float32, for an array of any shape; NaN stays NaN."""
    with np.errstate(over="ignore"):  # exp(100) is inf, and 1 / inf the 0 that is meant
        return 1.0 / (1.0 + np.exp(-logit.astype(np.float32, copy=False)))
