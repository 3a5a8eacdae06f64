"""A toy image teacher: ESPNet trained on images of other synthetic streets, so that studies need no weights from elsewhere.

It learns their classes or, without classes, by unlabelled_teacher.py. It replaces the papers' vision models where they
are not available, and knows only our synthetic world.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.foundation.files import write_bytes, write_text
from lidar_vl_core.foundation.threads import machine_cores
from offline_training.datasets.data_sources import EvenSource, open_source
from offline_training.datasets.lidar.files.synthetic_pictures import class_image
from offline_training.datasets.lidar.synthetic_streets import SyntheticSource
from offline_training.losses.segmentation import cross_entropy, lovasz_softmax
from offline_training.networks.image.espnet import SIDE_STEP, ESPNet, normalise_for_espnet
from offline_training.toys.pixel_probe import probed_quality
from offline_training.toys.toy_teacher_config import QUALITY, WEIGHTS, ToyTeacherConfig, is_teacher_made
from offline_training.toys.unlabelled_teacher import taught_by_views

_CLASSES = class_table("nuscenes16")
SKY_ID = len(_CLASSES)  # pixels without a class, mostly sky
_OUTPUTS = SKY_ID + 1


def train_toy_teacher(config: ToyTeacherConfig) -> Path:
    """Train, measure and write the teacher, unless that was done; returns the weights, for `espnet` teachers.

    Raises BadConfig for a source without images.
    """
    out = Path(config.out)
    weights, quality = out / WEIGHTS, out / QUALITY
    if is_teacher_made(config):
        return weights
    if config.threads:
        torch.set_num_threads(config.threads)
    train, test = _pictures(config.train), _pictures(config.test)
    if config.learns == "classes":
        network = _trained(config, *train)
        found = _quality(network, *test).to_dict(_CLASSES.names)
    else:
        network = taught_by_views(config, train[0])
        found = probed_quality(network, train, test, len(_CLASSES), SKY_ID)
    from safetensors.torch import save

    write_bytes(weights, save({name: tensor.contiguous() for name, tensor in network.state_dict().items()}))
    measured = {"config": config.asked(), **found}
    write_text(quality, json.dumps(measured, indent=1))
    return weights


def _trained(config: ToyTeacherConfig, pictures: Tensor, classes: Tensor) -> ESPNet:
    """An ESPNet trained on random flips and crops of images (I, 3, H, W) uint8 and classes (I, H, W)."""
    from tqdm import tqdm

    torch.manual_seed(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    class_weight = _class_weights(classes)
    network = ESPNet(_OUTPUTS).train()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a third faster on CPUs
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, config.steps)
    for _ in tqdm(range(config.steps), desc="toy teacher", unit="step", disable=not sys.stderr.isatty()):
        chosen = torch.randint(len(pictures), (config.batch_size,), generator=generator)
        image, truth = pictures[chosen].float() / 255, classes[chosen]
        if bool(torch.rand((), generator=generator) < 0.5):
            image, truth = image.flip(3), truth.flip(2)
        brightness = 0.7 + 0.6 * torch.rand(len(image), 1, 1, 1, generator=generator)
        seen = normalise_for_espnet((image * brightness).clamp(0, 1))
        scores = network(seen.contiguous(memory_format=torch.channels_last))
        scores, truth = scores.movedim(1, -1).reshape(-1, _OUTPUTS), truth.reshape(-1)
        thinned = slice(None, None, 3)  # the Lovasz loss sorts, and a third of the pixels is enough
        loss = cross_entropy(scores, truth, class_weight) + lovasz_softmax(scores[thinned], truth[thinned])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def _class_weights(classes: Tensor) -> Tensor:
    """(_OUTPUTS,) square root of the inverse frequency, mean 1 over the classes that occur, because people take few pixels."""
    share = torch.bincount(classes.reshape(-1), minlength=_OUTPUTS).double() / classes.numel()
    weight = torch.where(share > 0, share.clamp_min(1e-6) ** -0.5, 0.0)
    return (weight / weight[share > 0].mean()).float()


def _quality(network: ESPNet, pictures: Tensor, classes: Tensor) -> ConfusionMatrix:
    """Quality on images of other streets, pixel by pixel, without sky."""
    confusion = ConfusionMatrix(len(_CLASSES))
    with torch.no_grad():
        for image, truth in zip(pictures, classes, strict=True):
            answer = network(normalise_for_espnet(image[None].float() / 255))[0].argmax(dim=0)
            answer = torch.where(answer == SKY_ID, IGNORE_ID, answer)
            known = torch.where(truth == SKY_ID, IGNORE_ID, truth)
            confusion.add(known.numpy().astype(np.uint8).ravel(), answer.numpy().astype(np.uint8).ravel())
    return confusion


def _pictures(source: EvenSource) -> tuple[Tensor, Tensor]:
    """All images (I, 3, H, W) uint8 of a source and their classes (I, H, W) int64, cropped to sides the network accepts."""
    if not isinstance(source, SyntheticSource) or source.image_width is None:
        raise BadConfig(
            f"toy teacher: expected a synthetic source with image_width, found {source.kind} with image_width "
            f"{getattr(source, 'image_width', None)}. It learns from the true classes of rendered images."
        )
    dataset = open_source(source, _CLASSES, machine_cores())
    views = [view for index in range(len(dataset)) for view in dataset[index].views]
    both = [_cut(view.load_rgb(), class_image(Path(source.folder), view)) for view in views]
    return torch.stack([picture for picture, _ in both]), torch.stack([classes for _, classes in both])


def _cut(rgb: np.ndarray, class_id: np.ndarray) -> tuple[Tensor, Tensor]:
    height, width = (side - side % SIDE_STEP for side in class_id.shape)
    classes = np.where(class_id == IGNORE_ID, SKY_ID, class_id)[:height, :width].astype(np.int64)
    return torch.from_numpy(rgb[:height, :width].copy()).permute(2, 0, 1), torch.from_numpy(classes)
