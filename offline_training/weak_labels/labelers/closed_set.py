"""Any closed-set segmenter exported to ONNX, described by a small YAML file."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.config import Config, load_config
from lidar_vl_core.foundation.errors import BadConfig, BadModelPackage
from lidar_vl_core.foundation.files import sha256_of
from offline_training.weak_labels.classes.class_values import class_values
from offline_training.weak_labels.classes.ontology import Ontology, load_ontology
from offline_training.weak_labels.pictures.weak_labeler import WeakLabels

if TYPE_CHECKING:
    import onnxruntime

_Size = Annotated[int, Field(ge=1, le=16384)]
_Triple = tuple[float, float, float]


class OnnxSegmenterSpec(Config):
    """Input and output of a segmenter. Input (N, 3, height, width) float32: (pixel 0..255 - mean) / std * scale."""

    model: str  # ONNX file, from the folder of the YAML file
    classes: str  # ontology of its output channels or values
    ignored_values: tuple[int, ...] = ()  # channels or values that mean no class
    width: _Size
    height: _Size
    mean: _Triple = (123.675, 116.28, 103.53)  # ImageNet's, in the channel order below
    std: _Triple = (58.395, 57.12, 57.375)
    scale: float = 1.0
    antialias: bool = False  # when an image is shrunk: False as in OpenCV, True as in Pillow and torchvision
    channel_order: Literal["rgb", "bgr"] = "rgb"
    output: Literal["logits", "class_map"] = "logits"  # (N, K, h, w) float, or (N, h, w) integers
    output_name: str | None = None  # default: the first one
    min_score: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0  # softmax probability; pixels below are uncovered


class ClosedSetLabeler:
    """Labels images in batches; a WeakLabeler. The class map converts its classes to the ontology's."""

    def __init__(self, spec_file: Path, ontology: Ontology, batch_size: int = 1, threads: int = 0) -> None:
        """batch_size: of every call of the model, padded; a model with a fixed batch keeps its own.

        Raises BadConfig for a wrong description, BadModelPackage for a model that cannot be loaded.
        """
        self._ontology = ontology
        self.spec = load_config(OnnxSegmenterSpec, spec_file)
        if not all(value > 0.0 for value in self.spec.std):
            raise BadConfig(f"{spec_file}: std: expected numbers above 0, found {self.spec.std}.")
        self._model = spec_file.parent / self.spec.model
        self._values = class_values(load_ontology(self.spec.classes), ontology, self.spec.ignored_values)
        self._session = _open(self._model, threads)
        self._input = self._fitting_input(spec_file)
        self._output = self._chosen_output(spec_file)
        # Always the same size, because it selects kernels and so the last bits of the scores.
        self._batch = self._input.shape[0] if isinstance(self._input.shape[0], int) else batch_size

    @property
    def ontology(self) -> Ontology:
        """The classes the ids stand for."""
        return self._ontology

    def identity(self) -> dict[str, Any]:
        """The description, the model file's hash, and the meaning of its values."""
        return {
            **self.spec.model_dump(mode="json"),
            "model": "closed_set",
            "revision": self._revision,
            "class_of_value": self._values.class_of_value.tolist(),
        }

    def label(self, images: Sequence[np.ndarray]) -> list[WeakLabels]:
        """Label images (H, W, 3) of any sizes. Raises BadLabels for values outside the class map."""
        answers: list[WeakLabels] = []
        for first in range(0, len(images), self._batch):
            chunk = images[first : first + self._batch]
            filled = np.zeros((self._batch, 3, self.spec.height, self.spec.width), np.float32)
            filled[: len(chunk)] = [self._prepared(image) for image in chunk]
            output = self._session.run([self._output], {self._input.name: filled})[0]
            values, scores = self._decided(np.asarray(output)[: len(chunk)])
            answers += [self._scaled_back(*each) for each in zip(values, scores, chunk, strict=True)]
        return answers

    @cached_property
    def _revision(self) -> str:
        return sha256_of(self._model)

    def _fitting_input(self, spec_file: Path) -> Any:  # noqa: ANN401 - ONNX Runtime's NodeArg
        inputs = self._session.get_inputs()
        wanted = (None, 3, self.spec.height, self.spec.width)
        free = [not isinstance(size, int) for size in inputs[0].shape]
        fits = len(free) == 4 and all(free[k] or wanted[k] in (None, size) for k, size in enumerate(inputs[0].shape))
        if len(inputs) != 1 or inputs[0].type != "tensor(float)" or not fits:
            raise BadModelPackage(
                f"{spec_file}: expected a model with one float32 input (N, 3, {self.spec.height}, {self.spec.width}), found "
                f"{[(each.type, each.shape) for each in inputs]}. Fix width and height, or export it with this size."
            )
        return inputs[0]

    def _chosen_output(self, spec_file: Path) -> str:
        names = [output.name for output in self._session.get_outputs()]
        if self.spec.output_name is not None and self.spec.output_name not in names:
            raise BadConfig(
                f"{spec_file}: output_name: expected one of {', '.join(names)}, found {self.spec.output_name!r}."
            )
        return self.spec.output_name or names[0]

    def _prepared(self, image: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 -> (3, height, width) float32."""
        from PIL import Image

        if self.spec.antialias:
            size = (self.spec.width, self.spec.height)
            resized = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR), np.float32)
        else:
            resized = _bilinear(image, self.spec.height, self.spec.width)
        if self.spec.channel_order == "bgr":
            resized = resized[..., ::-1]
        factor = np.float32(self.spec.scale) / np.array(self.spec.std, np.float32)
        return ((resized - np.array(self.spec.mean, np.float32)) * factor).transpose(2, 0, 1)

    def _decided(self, output: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values (N, h, w) uint8 and scores (N, h, w) uint8 at the network's resolution."""
        axes, wanted = (4, "(N, K, h, w) logits") if self.spec.output == "logits" else (3, "(N, h, w) class map")
        if output.ndim != axes or (axes == 4 and output.shape[1] > IGNORE_ID):
            raise BadModelPackage(
                f"{self._model}: expected {wanted}, found {self._output} of shape {output.shape}. "
                "Fix `output` or `output_name` in its description."
            )
        if axes == 3:
            if output.size and not (output.min() >= 0 and output.max() <= IGNORE_ID):
                raise BadModelPackage(
                    f"{self._model}: expected class values 0..{IGNORE_ID}, found {output.min()}..{output.max()}. "
                    "Choose the output that holds the class map."
                )
            return output.astype(np.uint8), np.full(output.shape, 255, np.uint8)
        top = output.max(axis=1)
        score = 1.0 / np.exp(output - top[:, None]).sum(axis=1)  # softmax at the winner
        value = output.argmax(axis=1).astype(np.uint8)
        return np.where(score >= self.spec.min_score, value, np.uint8(IGNORE_ID)), np.rint(255 * score).astype(np.uint8)

    def _scaled_back(self, value: np.ndarray, score: np.ndarray, image: np.ndarray) -> WeakLabels:
        from PIL import Image

        class_id = self._values.class_id(value, str(self._model))
        score = np.where(class_id == IGNORE_ID, np.uint8(0), score)
        size = (image.shape[1], image.shape[0])
        full = [np.asarray(Image.fromarray(a).resize(size, Image.Resampling.NEAREST)) for a in (class_id, score)]
        return WeakLabels(full[0], full[1], np.zeros(image.shape[:2], np.uint16))


def _bilinear(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """(H, W, 3) uint8 -> (height, width, 3) float32, each pixel from the four around it; pixel centres are at half-integers."""
    upper, lower, share = _taps(image.shape[0], height)
    rows = image[upper] * (1 - share)[:, None, None] + image[lower] * share[:, None, None]
    left, right, share = _taps(image.shape[1], width)
    return rows[:, left] * (1 - share)[:, None] + rows[:, right] * share[:, None]


def _taps(source: int, target: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each of `target` pixels the two of `source` that it lies between, and the weight of the second, float32."""
    at = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
    first = np.floor(at).astype(np.int64)
    return first, np.minimum(first + 1, source - 1), (at - first).astype(np.float32)


def _open(model: Path, threads: int) -> "onnxruntime.InferenceSession":
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
    providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=providers)
    except Exception as error:  # ONNX Runtime's own classes share no public base
        raise BadModelPackage(
            f"{model}: expected an ONNX model that runs here, found: {' '.join(str(error).split())[:300]}. Export it again."
        ) from error
