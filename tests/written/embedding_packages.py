"""Small embedding packages with random weights, whose answers mean nothing: enough to walk every path in milliseconds."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

from lidar_vl_core.model_packages.language_files import LanguageFiles
from lidar_vl_core.model_packages.language_spec import LanguageSpec
from lidar_vl_core.model_packages.manifest import ClassTableSpec, GridSpec, Manifest, Producer
from lidar_vl_core.model_packages.package import ModelPackage
from lidar_vl_core.model_packages.package_writer import write_model_package
from lidar_vl_core.sparse_model.onnx_form import SparseGraphBuilder
from lidar_vl_core.words.text_table import TextTable
from lidar_vl_core.words.vocabulary import Vocabulary, load_vocabulary
from lidar_vl_core.words.vocabulary_table import text_table

CHANNELS = 12
WORDS = ("a", "in", "scene", "car", "tree", "road", "excavator", "red", "dog", "of", "photo")
CONTEXT_LENGTH = 8


def random_table(vocabulary: Vocabulary, channels: int = CHANNELS, seed: int = 3) -> TextTable:
    """A table of random directions, logit scale 20."""
    rows = np.random.default_rng(seed).normal(size=(len(vocabulary.prompts), channels))
    return text_table(vocabulary, rows, 20.0, "random")


def embedding_network(in_channels: int, channels: int = CHANNELS, seed: int = 7) -> "onnx.ModelProto":
    """Two levels and a head of `channels` over a concatenation of 12 features."""
    rng = np.random.default_rng(seed)

    def weight(*shape: int) -> np.ndarray:
        return (rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))).astype(np.float32)

    def bias(width: int) -> np.ndarray:
        return (0.1 * rng.normal(size=width)).astype(np.float32)

    builder = SparseGraphBuilder(in_channels, 2, "tiny_language")
    stem = builder.relu(builder.sparse_conv("features", "subm0", weight(27, in_channels, 8), bias(8)))
    half = builder.relu(builder.sparse_conv(stem, "child0", weight(8, 8, 16), bias(16)))
    full = builder.relu(builder.sparse_inverse_conv(half, 0, weight(8, 16, 4), bias(4)))
    return builder.finish(builder.linear(builder.concat(full, stem), weight(12, channels), bias(channels)))


def words_json(words: Sequence[str] = WORDS) -> bytes:
    """The tokenizer file of word_encoder()."""
    return json.dumps({"words": list(words), "context_length": CONTEXT_LENGTH}).encode()


def word_encoder(words: Sequence[str] = WORDS, channels: int = CHANNELS, seed: int = 5) -> bytes:
    """A text tower: the sum of one random vector per word."""
    from onnx import TensorProto, helper, numpy_helper

    vectors = np.random.default_rng(seed).normal(size=(len(words) + 1, channels)).astype(np.float32)
    vectors[0] = 0.0
    nodes = [
        helper.make_node("Gather", ["vectors", "tokens"], ["rows"], axis=0),
        helper.make_node("ReduceSum", ["rows", "axes"], ["embeddings"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "words",
        [helper.make_tensor_value_info("tokens", TensorProto.INT64, ["B", "L"])],
        [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["B", channels])],
        [numpy_helper.from_array(vectors, "vectors"), numpy_helper.from_array(np.array([1]), "axes")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString()


def image_encoder(size: tuple[int, int], channels: int = CHANNELS, seed: int = 11) -> bytes:
    """An image tower: one convolution over cells of 4 x 4 pixels."""
    from onnx import TensorProto, helper, numpy_helper

    weight = np.random.default_rng(seed).normal(size=(channels, 3, 4, 4)).astype(np.float32)
    shape = [1, channels, size[0] // 4, size[1] // 4]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "weight"], ["features"], strides=[4, 4])],
        "picture",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, *size])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(weight, "weight")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString()


def embedding_manifest(table: TextTable, spec: LanguageSpec, features: tuple[str, ...]) -> Manifest:
    """The manifest of embedding_network()."""
    classes = table.class_table
    colors = tuple((int(r), int(g), int(b)) for r, g, b in classes.colors_rgb)
    return Manifest(
        name="tiny_language",
        task="embedding",
        class_table=ClassTableSpec(name=classes.name, names=classes.names, colors_rgb=colors),
        grid=GridSpec(
            kind="cartesian", voxel_size=(0.2, 0.2, 0.2), point_cloud_range=(-25.6, -25.6, -3, 25.6, 25.6, 3)
        ),
        features=features,
        levels=2,
        opset=18,
        producer=Producer(version="0.1.0", commit="0" * 40),
        training_data=("none",),
        licence="Apache-2.0",
        limits=("random weights: its answers mean nothing",),
        language=spec,
    )


def write_embedding_package(
    folder: Path,
    vocabulary: Vocabulary | None = None,
    with_encoder: bool = True,
    features: tuple[str, ...] = ("one", "intensity", "height"),
    templates: tuple[str, ...] = ("{}",),
    image_size: tuple[int, int] | None = None,
    words: Sequence[str] = WORDS,
) -> ModelPackage:
    """A package with random weights; its text tower knows `words`. image_size: height and width for an image tower."""
    table = random_table(vocabulary or load_vocabulary("nuscenes16"))
    spec = LanguageSpec(
        text_space="random",
        channels=CHANNELS,
        logit_scale=20.0,
        templates=templates,
        tokenizer="words" if with_encoder else "none",
        context_length=CONTEXT_LENGTH if with_encoder else 0,
        image_size=image_size,
    )
    picture = None if image_size is None else image_encoder(image_size)
    tower = (word_encoder(words), words_json(words)) if with_encoder else (None, None)
    files = LanguageFiles(table, *tower, picture)
    network = embedding_network(len(features))
    return write_model_package(folder, network, embedding_manifest(table, spec, features), "# Tiny\n", files)
