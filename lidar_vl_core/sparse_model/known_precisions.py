"""The precisions that a model file may compute in."""

from typing import Literal

Precision = Literal["fp32", "fp16", "int8"]
