"""ESPNet as a labeler: a closed set of street classes, fast enough for a CPU."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig
from lidar_vl_core.foundation.files import sha256_of
from offline_training.networks.image.espnet import SIDE_STEP, ESPNet, load_espnet, normalise_for_espnet
from offline_training.weak_labels.classes.class_values import class_values
from offline_training.weak_labels.classes.ontology import Ontology, load_ontology
from offline_training.weak_labels.pictures.weak_labeler import WeakLabels


class EspnetLabeler:
    """Labels each pixel with its most likely class, in an ontology that the network's classes map to."""

    def __init__(
        self,
        weights: Path,
        ontology: Ontology,
        spoken: Ontology | None = None,
        input_size: tuple[int, int] = (512, 1024),
        min_score: float = 0.0,
        device: str = "cpu",
    ) -> None:
        """spoken: the network's own classes, by default Cityscapes'; input_size: height and width of its input, pixels.

        min_score: pixels whose class is less probable stay uncovered.

        A network may have one class more than `spoken`, for what has no class. Raises BadCheckpoint for weights that do
        not fit, BadConfig for classes without a map or an input size that 8 does not divide.
        """
        if min(input_size) < SIDE_STEP or any(side % SIDE_STEP for side in input_size):
            raise BadConfig(
                f"input_size: expected multiples of {SIDE_STEP}, found {input_size}. Round them to such values."
            )
        self._ontology = ontology
        self._spoken = spoken or load_ontology("cityscapes")
        self._input_size = input_size
        self._network = _load(weights, len(self._spoken)).to(device).eval()
        self._weights_sha256 = sha256_of(weights)
        self._min_score = min_score
        self._device = device
        values = class_values(self._spoken, ontology, ignored_values=(len(self._spoken),))
        self._class_of_value = values.class_of_value.astype(np.uint8)

    @property
    def ontology(self) -> Ontology:
        """The classes the ids stand for."""
        return self._ontology

    def identity(self) -> dict[str, Any]:
        """Model, weights, input size, threshold and both ontologies."""
        return {
            "labeler": "espnet",
            "weights_sha256": self._weights_sha256,
            "input_size": list(self._input_size),
            "min_score": self._min_score,
            "spoken": self._spoken.to_json(),
            "ontology": self._ontology.to_json(),
            "class_of_value": self._class_of_value[: len(self._spoken)].tolist(),
        }

    def label(self, images: Sequence[np.ndarray]) -> list[WeakLabels]:
        """Label images (H, W, 3) uint8 RGB one by one, so that a label does not depend on its neighbours in a batch."""
        return [self._label_one(image) for image in images]

    @torch.no_grad()
    def _label_one(self, image: np.ndarray) -> WeakLabels:
        rgb = torch.tensor(image, device=self._device).permute(2, 0, 1)[None].float() / 255
        seen = F.interpolate(rgb, self._input_size, mode="bilinear", align_corners=False)
        probability, value = self._network(normalise_for_espnet(seen)).softmax(1).max(1)
        stacked = torch.stack([value.float(), (probability * 255).round()], dim=1)
        full = F.interpolate(stacked, image.shape[:2], mode="nearest")[0].to(torch.uint8).cpu().numpy()
        class_id = np.where(full[1] >= 255 * self._min_score, self._class_of_value[full[0]], np.uint8(IGNORE_ID))
        score = np.where(class_id == IGNORE_ID, 0, full[1]).astype(np.uint8)
        return WeakLabels(class_id, score, np.zeros(class_id.shape, np.uint16))


def _load(weights: Path, spoken: int) -> ESPNet:
    network = load_espnet(weights)
    if network.classes not in (spoken, spoken + 1):
        raise BadCheckpoint(
            f"{weights}: expected ESPNet with {spoken} classes, or one more for unlabelled pixels, found "
            f"{network.classes}. "
            "Set the ontology of the classes it was trained on."
        )
    return network
