"""Tiny towers written as ONNX by hand, for tests: means of blocks of pixels, sums of word vectors."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CHANNELS = 3
WORDS = ["car", "tree", "red"]


def image_graph(size: tuple[int, int] | None = (32, 48), opset: int = 17) -> onnx.ModelProto:
    """image (1, 3, H, W) -> features (1, 3, H / 8, W / 8): means of each colour."""
    height, width = size or ("H", "W")
    node = helper.make_node("AveragePool", ["image"], ["features"], kernel_shape=[8, 8], strides=[8, 8])
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, height, width])
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, [1, 3, "h", "w"])
    return _model(helper.make_graph([node], "image", [image], [features]), opset)


def text_graph() -> onnx.ModelProto:
    """tokens (B, L) -> embeddings (B, 3): sums of word vectors."""
    vectors = np.random.default_rng(0).normal(size=(len(WORDS) + 1, CHANNELS)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["vectors", "tokens"], ["each"]),
        helper.make_node("ReduceSum", ["each", "axis"], ["embeddings"], keepdims=0),
    ]
    weights = [numpy_helper.from_array(vectors, "vectors"), numpy_helper.from_array(np.array([1]), "axis")]
    tokens = helper.make_tensor_value_info("tokens", TensorProto.INT64, ["B", "L"])
    embeddings = helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["B", CHANNELS])
    return _model(helper.make_graph(nodes, "text", [tokens], [embeddings], weights), 17)


def _model(graph: onnx.GraphProto, opset: int) -> onnx.ModelProto:
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
