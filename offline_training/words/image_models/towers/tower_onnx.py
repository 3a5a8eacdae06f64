"""A tower of an image-language model as an ONNX graph with one input and one output."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    import onnx


def tower_graph(
    tower: nn.Module, example: Tensor, input_name: str, output_name: str, dynamic: dict[int, str]
) -> "onnx.ModelProto":
    """The graph of a tower in evaluation mode, with its weights.

    example: an input, at least 2 long in the axes of variable length; `dynamic` maps these axes to their names.
    The shape of the example is that of the graph. Raises TypeError where the exporter gives nothing.
    """
    shapes = ({axis: torch.export.Dim(name) for axis, name in dynamic.items()},)
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            tower.eval(),
            (example,),
            dynamo=True,
            input_names=[input_name],
            output_names=[output_name],
            dynamic_shapes=shapes if dynamic else None,
            verbose=False,
        )
    if program is None:
        raise TypeError("expected a program from the exporter, found none")
    graph = program.model_proto
    for part in (*graph.graph.node, *graph.graph.input, *graph.graph.output, *graph.graph.value_info, graph.graph):
        part.ClearField("metadata_props")  # source locations of the nodes on the exporting machine
    return graph


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's warnings about torchvision operators, which no tower here has, and its own old names.

    Its trace is off, too: if something captures all logs, as pytest does, writing it takes minutes.
    """
    logs = [logging.getLogger(name) for name in ("torch.onnx", "torch.__trace")]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)
