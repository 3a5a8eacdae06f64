"""A model file becomes a network of TensorRT; whatever the parser refuses is reported with its node."""

from typing import TYPE_CHECKING

from lidar_vl_core.engines.tensorrt.module import TensorRt
from lidar_vl_core.foundation.errors import BadModelPackage

if TYPE_CHECKING:
    import onnx
    import tensorrt_rtx as trt

_MOST_TOLD = 5


class Messages:
    """What TensorRT logs, warnings and worse."""

    def __init__(self, tensorrt: TensorRt) -> None:
        base = tensorrt.module.ILogger
        kept = self.errors = list[str]()
        worst = (base.Severity.INTERNAL_ERROR, base.Severity.ERROR)

        class Logger(base):  # type: ignore[misc, valid-type]
            def __init__(self) -> None:
                base.__init__(self)

            def log(self, severity: "trt.ILogger.Severity", msg: str) -> None:
                if severity in worst:
                    kept.append(" ".join(msg.split()))

        self.logger: trt.ILogger = Logger()

    def __str__(self) -> str:
        return "; ".join(self.errors[:_MOST_TOLD]) or "no message"


def inlined(content: bytes) -> "onnx.ModelProto":
    """The model with its functions written out: some versions look for a function's plugin only after its body."""
    import onnx
    import onnx.inliner

    model: onnx.ModelProto = onnx.inliner.inline_local_functions(onnx.load_model_from_string(content))
    return model


def input_dims(model: "onnx.ModelProto") -> dict[str, tuple[int | str, ...]]:
    """Dimensions of every input of a model file: numbers, and names where any number goes."""
    return {
        value.name: tuple(dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in model.graph.input
    }


def parse(
    tensorrt: TensorRt, builder: "trt.Builder", model: "onnx.ModelProto", messages: Messages
) -> "trt.INetworkDefinition":
    """The network of a model. Raises BadModelPackage with every error of the parser."""
    flags = tensorrt.module.NetworkDefinitionCreationFlag
    network = builder.create_network(1 << int(flags.STRONGLY_TYPED))
    parser: trt.OnnxParser = tensorrt.module.OnnxParser(network, messages.logger)
    parsed = parser.parse(model.SerializeToString())
    errors = [_told(parser.get_error(number)) for number in range(parser.num_errors)]
    if not parsed or errors:
        more = f"; and {len(errors) - _MOST_TOLD} more" if len(errors) > _MOST_TOLD else ""
        raise BadModelPackage(
            f"model.onnx: expected a network that {tensorrt.name} {tensorrt.version} takes, found {len(errors)} errors: "
            f"{'; '.join(errors[:_MOST_TOLD]) or messages}{more}. Use engine fused or onnxruntime."
        )
    return network


def _told(error: "trt.ParserError") -> str:
    return f"node {error.node()} {error.node_name() or '(no name)'} ({error.node_operator()}): {' '.join(error.desc().split())[:400]}"
