"""Stage 2 of 3DSS-VLG: an adapter learns the pseudo labels and specialises the image features to the classes."""

import hashlib
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig, BadLabels
from lidar_vl_core.words.text_table import TextTable
from offline_training.losses.vlg import adapter_cross_entropy, class_logits
from offline_training.networks.adapter import TextAdapter
from offline_training.runs.checkpoint import (
    Checkpoint,
    clean_checkpoint_folder,
    load_checkpoint,
    save_checkpoint,
    weights_of,
)
from offline_training.runs.device import torch_set_up, uses_cuda
from offline_training.runs.log import RunLog
from offline_training.runs.resume import checkpoint_to_resume
from offline_training.runs.sharing.only_writer import only_writer
from offline_training.runs.state import give_rate, optimizer_tensors, restore_optimizer
from offline_training.runs.stopping import StopSignals
from offline_training.words.features.feature_basis import FeatureBasis
from offline_training.words.features.feature_store import FeatureStore
from offline_training.words.features.run_features import SPECIALISE, SPECIALISED, open_features
from offline_training.words.features.run_text import read_run_text
from offline_training.words.settings.vlg_config import SpecialiseConfig, VlgConfig
from offline_training.words.stages.adapter.adapter_batches import AdapterBatches
from offline_training.words.stages.pseudo_labels.pseudo_store import FOLDER as LABELS
from offline_training.words.stages.pseudo_labels.pseudo_store import PseudoLabelStore

FOLDER = "adapter"
_PREFIX = "adapter"
_SAVE_EVERY = 5  # epochs
_BLOCK_ROWS = 65536
_DECIDING = {"specialise", "vocabulary", "seed"}  # pseudo labels are compared by the settings that made them


def specialise(config: VlgConfig) -> Path:
    """Train the adapter and write the adapted features of all training scenes; returns their folder.

    Resumes exactly where it was stopped. Needs the pseudo labels of `lidar-vl-train pseudo-label`. Raises RunStopped
    after Ctrl-C or SIGTERM, once a checkpoint is saved; BadLabels, BadDataset, BadTextTable, BadCheckpoint.
    """
    with torch_set_up(config.threads), only_writer(Path(config.out) / FOLDER / "checkpoints"):
        labels, features = PseudoLabelStore(Path(config.out) / LABELS), open_features(config)
        run = _Specialising(config, labels, features)
        with closing(run.log_book), StopSignals() as stop:
            while run.epoch < config.specialise.epochs:
                run.train_epoch(stop)
        return _write_specialised(config, run.adapter.cpu(), features, labels.scenes())


def specialised_features(adapter: TextAdapter, feature: np.ndarray) -> np.ndarray:
    """(V, C) adapted features, stored as float16; the adapter is affine, so it may be applied to means over views."""
    device = adapter.up.weight.device
    adapted = []
    with torch.no_grad():
        for first in range(0, max(len(feature), 1), _BLOCK_ROWS):
            rows = torch.from_numpy(feature[first : first + _BLOCK_ROWS].astype(np.float32))
            adapted.append(adapter(rows.to(device)).cpu().numpy().astype(np.float16))
    return np.concatenate(adapted)


def load_adapter(config: VlgConfig) -> TextAdapter:
    """The adapter that `specialise` trained in a run's folder. Raises BadCheckpoint if there is none."""
    folder = Path(config.out) / FOLDER / "checkpoints"
    if not (folder / "last.json").is_file():
        raise BadCheckpoint(
            f"{folder}: expected a trained adapter, found none. Run `{SPECIALISE}` with this configuration."
        )
    return adapter_of(load_checkpoint(folder))


def adapter_of(checkpoint: Checkpoint) -> TextAdapter:
    """The adapter in a checkpoint. Raises BadCheckpoint if it has none."""
    weights = weights_of(checkpoint, _PREFIX)
    if "down.weight" not in weights:
        raise BadCheckpoint(
            f"checkpoint of step {checkpoint.step}: expected an adapter, found none. Run `{SPECIALISE}`."
        )
    hidden, channels = weights["down.weight"].shape
    asked = checkpoint.config["specialise"]
    adapter = TextAdapter(channels, asked["reduction"], asked["mix"])
    if adapter.down.out_features != hidden:
        raise BadCheckpoint(f"checkpoint: expected a bottleneck of {adapter.down.out_features}, found {hidden}.")
    adapter.load_state_dict(weights)
    return adapter.eval()


def adapter_sha256(adapter: TextAdapter) -> str:
    """Hash of the adapter's weights and its mixing factor."""
    digest = hashlib.sha256(repr(adapter.mix).encode())
    for name, tensor in sorted(adapter.state_dict().items()):
        digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def learning_rate(numbers: SpecialiseConfig, epoch: int) -> float:
    """Learning rate of an epoch, counted from 0."""
    first = numbers.decay_every if numbers.first_decay is None else numbers.first_decay
    drops = max(0, 1 + (epoch - first) // numbers.decay_every)
    return numbers.learning_rate * numbers.decay**drops


class _Specialising:
    """The state of a run, and the training of one epoch."""

    def __init__(self, config: VlgConfig, labels: PseudoLabelStore, features: FeatureStore) -> None:
        self.config, self.numbers = config, config.specialise
        self.folder = Path(config.out) / FOLDER / "checkpoints"
        self.table = read_run_text(config)
        self.batches = AdapterBatches(labels, features, self.numbers, config.seed)
        self.state: dict[str, Any] = {"labels_sha256": labels.sha256()}
        self.logit_scale = labels.logit_scale()
        self.device = "cuda" if uses_cuda(config) else "cpu"
        torch.manual_seed(config.seed)
        self.adapter = TextAdapter(self.table.channels, self.numbers.reduction, self.numbers.mix).to(self.device)
        self.text, self.class_of_prompt = _on(self.table, self.device)
        self.optimizer = torch.optim.Adam(
            self.adapter.parameters(), self.numbers.learning_rate, weight_decay=self.numbers.weight_decay
        )
        self.epoch = 0
        clean_checkpoint_folder(self.folder)
        free = set(VlgConfig.model_fields) - _DECIDING
        start = checkpoint_to_resume(self.folder, config, "auto", free, ("specialise.epochs",))
        if start is not None:
            self._restore(start)
        self.log_book = RunLog(self.folder.parent, self.epoch)

    def train_epoch(self, stop: StopSignals) -> None:
        """Train on every scene once; saves when due.

        After a signal the epoch is abandoned and the state before it is saved.
        """
        numbers, before = self.numbers, self._checkpoint()
        rate = give_rate(self.optimizer, learning_rate(numbers, self.epoch))
        loss_sum, right, labelled = 0.0, 0, 0
        for scenes in self.batches.of_epoch(self.epoch):
            self._require_known(scenes)
            count = sum(int((class_id != IGNORE_ID).sum()) for _, class_id in scenes)
            if count == 0:
                continue
            self.optimizer.zero_grad()
            for feature, class_id in scenes:  # one scene's gradient at a time: 16 x 40000 x 768 numbers are 2 GB
                loss, agreed = self._loss(feature.to(self.device), class_id.to(self.device))
                known = int((class_id != IGNORE_ID).sum())
                (loss * (known / count)).backward()
                loss_sum, right, labelled = loss_sum + float(loss.detach()) * known, right + agreed, labelled + known
            self.optimizer.step()
            if stop.is_asked:
                save_checkpoint(self.folder, before)
            stop.end_if_asked(f"stopped after epoch {self.epoch} of {numbers.epochs}")
        if labelled == 0:
            raise BadLabels(
                f"{Path(self.config.out) / LABELS}: expected points with a pseudo label that some view sees, found none in any scene. "
                "Look at statistics.json there, and run `lidar-vl-train pseudo-label` with other settings."
            )
        self.log_book.write_step(
            self.epoch,
            loss=loss_sum / max(labelled, 1),
            agreement=right / max(labelled, 1),
            labelled_points=labelled,
            learning_rate=rate,
        )
        self.epoch += 1
        if self.epoch % _SAVE_EVERY == 0 or self.epoch == self.numbers.epochs:
            save_checkpoint(self.folder, self._checkpoint())

    def _require_known(self, scenes: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Raise BadLabels for a class that the words do not have."""
        classes = len(self.table.class_table)
        for _, class_id in scenes:
            if bool(((class_id >= classes) & (class_id != IGNORE_ID)).any()):
                raise BadLabels(
                    f"{Path(self.config.out) / LABELS}: expected classes 0 to {classes - 1} of the words, or 255, found "
                    f"{int(class_id[class_id != IGNORE_ID].max())}. Remove them, and run `lidar-vl-train pseudo-label` again."
                )

    def _loss(self, feature: torch.Tensor, class_id: torch.Tensor) -> tuple[torch.Tensor, int]:
        """Loss of one scene's points, and how many of them are classified correctly."""
        adapted = self.adapter(feature)
        loss = adapter_cross_entropy(adapted, self.text, self.class_of_prompt, class_id, self.logit_scale)
        with torch.no_grad():
            best = class_logits(adapted, self.text, self.class_of_prompt).argmax(dim=1)
        return loss, int((best == class_id).sum())

    def _checkpoint(self) -> Checkpoint:
        """A copy of the run's current state, unaffected by later training."""
        tensors = {f"{_PREFIX}.{name}": tensor for name, tensor in self.adapter.state_dict().items()}
        tensors |= optimizer_tensors(self.optimizer)
        kept = {name: tensor.detach().clone() for name, tensor in tensors.items()}
        return Checkpoint(self.epoch, kept, self.config.model_dump(mode="json"), self.state)

    def _restore(self, start: Checkpoint) -> None:
        if dict(start.state) != self.state:
            raise BadCheckpoint(
                f"{self.folder}: expected an adapter trained on the current pseudo labels, found one trained on others. "
                f"Remove {self.folder.parent} to train it again, or use another `out`."
            )
        if start.step > self.numbers.epochs:
            raise BadConfig(
                f"specialise.epochs: expected at least the {start.step} epochs already done in {self.folder.parent}, found "
                f"{self.numbers.epochs}. Set more epochs, or use another `out`."
            )
        self.adapter.load_state_dict(weights_of(start, _PREFIX))
        restore_optimizer(self.optimizer, start)
        self.epoch = start.step


def _adapted_basis(adapter: TextAdapter, basis: FeatureBasis) -> FeatureBasis:
    """The basis of adapted features: the adapter is affine, so the same number of components loses nothing."""
    with torch.no_grad():
        mean = adapter(torch.from_numpy(basis.mean)).numpy()
        ends = adapter(torch.from_numpy(basis.mean + basis.directions)).numpy()
    orthonormal, _ = np.linalg.qr((ends - mean).T.astype(np.float64))  # (C, k)
    return FeatureBasis(mean, np.ascontiguousarray(orthonormal.T, np.float32), basis.explained)


def _on(table: TextTable, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(table.embeddings).to(device), torch.from_numpy(table.class_of_prompt).to(device)


def _write_specialised(
    config: VlgConfig, adapter: TextAdapter, features: FeatureStore, scenes: tuple[str, ...]
) -> Path:
    """Write the adapted features of all training scenes to a store for stage 3; existing ones of the same scenes are kept.

    If the features are stored in components, so are these.
    """
    folder = Path(config.out) / SPECIALISED
    identity = {"adapter_sha256": adapter_sha256(adapter), "features": dict(features.identity)}
    store = FeatureStore(folder, identity, command=SPECIALISE)
    with store.writing():
        store.withdraw()
        if features.basis is not None and store.basis is None:
            store.keep_basis(_adapted_basis(adapter, features.basis))
        for name in scenes:
            about, seen = store.about(name), features.read(name)
            if about is None or about.get("scene_sha256") != seen.scene_sha256:
                store.write(name, replace(seen, feature=specialised_features(adapter, seen.feature)))
        store.announce()
    return folder
