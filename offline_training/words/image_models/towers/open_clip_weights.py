"""A CLIP of open_clip from local files: architecture by name or JSON, weights without code, never from the network.

Touches the disk.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lidar_vl_core.foundation.errors import BadConfig, BadModelPackage
from lidar_vl_core.foundation.files import read_json, sha256_of
from offline_training.networks.image.weight_file import load_weights, read_weight_file
from offline_training.weak_labels.model_weights.known_models import KNOWN_MODELS
from offline_training.words.image_models.base.config import OpenClipConfig
from offline_training.words.image_models.base.open_clip_package import open_clip_package

_SETTINGS = "open_clip_config.json"  # beside the weights, if they come from a hub
_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")
_RANDOM_SEED = 0

Colors = tuple[float, float, float]


@dataclass(frozen=True)
class ClipArchitecture:
    """The parameters from which open_clip builds a CLIP, as in its JSON files."""

    name: str
    embed_dim: int
    vision_cfg: dict[str, Any]
    text_cfg: dict[str, Any]
    quick_gelu: bool = False

    def build(self) -> nn.Module:
        """A CLIP with reproducible random weights. Raises BadConfig if open_clip cannot build it."""
        package = open_clip_package()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_RANDOM_SEED)
            try:
                return package.CLIP(
                    self.embed_dim,
                    {**self.vision_cfg, "timm_model_pretrained": False},
                    self.text_cfg,
                    quick_gelu=self.quick_gelu,
                )
            except (TypeError, ValueError, RuntimeError, AssertionError) as error:
                raise BadConfig(f"{self.name}: expected vision_cfg and text_cfg of a CLIP, found: {error}.") from error


@dataclass(frozen=True)
class ClipWeights:
    """A CLIP and the normalisation of its images."""

    clip: nn.Module
    architecture: ClipArchitecture
    mean: Colors
    std: Colors
    sha256: str | None = None  # of the file; None = random


def model_file(name: str) -> dict[str, Any]:
    """The description of an architecture in open_clip or a .json file like its own. Raises BadConfig."""
    if name.endswith(".json"):
        content = _json(Path(name))
    else:
        package = open_clip_package()
        known = package.get_model_config(name) if name in package.list_models() else None
        if known is None:
            similar = [each for each in package.list_models() if each.startswith(name.split("-")[0])]
            raise BadConfig(
                f"name: expected a model of open_clip or a .json file, found {name!r}. "
                f"Known, for example: {', '.join(similar[:8] or ['ViT-B-16', 'ViT-B-16-quickgelu'])}."
            )
        content = known
    content = content.get("model_cfg", content)
    if missing := [key for key in ("embed_dim", "vision_cfg", "text_cfg") if key not in content]:
        raise BadConfig(f"{name}: expected {', '.join(missing)}, found none. Write the file as open_clip's are.")
    return content


def architecture(name: str) -> ClipArchitecture:
    """The architecture of that name in open_clip, or of a .json file like open_clip's. Raises BadConfig."""
    content = model_file(name)
    text, other = content.get("text_cfg", {}), {"custom_text", "multimodal_cfg", "init_logit_bias"} & set(content)
    if foreign := sorted({"hf_model_name", "hf_tokenizer_name"} & set(text)) + sorted(other):
        raise BadConfig(
            f"name: expected a plain CLIP with open_clip's own text tower and tokenizer, found {name} with "
            f"{', '.join(foreign)}. Choose a name such as ViT-B-16 or convnext_large_d_320, or the kind siglip2 for a SigLIP."
        )
    return ClipArchitecture(
        name, content["embed_dim"], content["vision_cfg"], text, bool(content.get("quick_gelu", False))
    )


def load_clip(config: OpenClipConfig) -> ClipWeights:
    """The CLIP of a configuration, on the CPU.

    Raises BadConfig, BadModelPackage for missing weights, BadCheckpoint for a file that does not match.
    """
    plan = architecture(config.name)
    settings = _preprocessing(config, plan)
    if config.pretrained is None:
        if not config.allow_random_weights:
            raise BadModelPackage(
                f"{config.name}: expected weights, found an empty pretrained. Features of random weights mean nothing: set "
                f"it to a file, a folder or a tag, or fetch weights with `{download_command('')}`; or try the pipeline "
                "without them by --allow-random-weights."
            )
        return ClipWeights(plan.build(), plan, *settings)
    path = weights_file(config.name, config.pretrained)
    clip = plan.build()
    tensors = {name.removeprefix("module."): tensor for name, tensor in read_weight_file(path).items()}
    load_weights(clip, tensors, path)
    return ClipWeights(clip, plan, *settings, sha256_of(path))


def weights_file(name: str, pretrained: str) -> Path:
    """The weights file for a path, a folder of a hub's files, or a tag that open_clip has already downloaded.

    Raises BadModelPackage that says how to fetch it.
    """
    path = Path(pretrained)
    if path.is_file():
        return path
    if path.is_dir():
        return _in_folder(path)
    tag = _tag(name, pretrained)
    cached = None if tag is None else _cached(tag)
    if cached is not None:
        return cached
    repository = str(tag.get("hf_hub", "")).rsplit("/", 1)[0] if tag else ""
    found = "a tag whose weights are not on this machine" if tag else "neither a file, a folder nor a tag of this model"
    raise BadModelPackage(
        f"pretrained: expected local weights for {name}, found {pretrained!r}, {found}. Fetch them with "
        f"`{download_command(repository)}`, then set pretrained to FOLDER."
    )


def download_command(repository: str) -> str:
    """The command that fetches a repository of the hub into FOLDER, with its licence if it is one of known_models."""
    known = [name for name, model in KNOWN_MODELS.items() if model.repository == repository]
    licence = KNOWN_MODELS[known[0]].licence if known else "LICENCE"
    return f"lidar-vl-train download {repository or 'OWNER/NAME'} --accept-licence {licence} --out FOLDER"


def _in_folder(folder: Path) -> Path:
    files = sorted(folder.glob("*.safetensors"))
    for name in _WEIGHTS:
        if folder / name in files:
            return folder / name
    if len(files) == 1:
        return files[0]
    raise BadModelPackage(
        f"{folder}: expected {_WEIGHTS[0]} or one .safetensors, found {len(files)} of them. Name the file itself."
    )


def _tag(name: str, pretrained: str) -> dict[str, Any] | None:
    from open_clip.pretrained import get_pretrained_cfg

    return get_pretrained_cfg(name, pretrained) or None


def _cached(tag: dict[str, Any]) -> Path | None:
    """A tag's safetensors in the hub's cache; the network is not used."""
    from huggingface_hub import try_to_load_from_cache

    repository, _, name = str(tag.get("hf_hub", "")).rpartition("/")
    for candidate in (*([f"{Path(name).stem}.safetensors"] if name else []), *_WEIGHTS):
        found = try_to_load_from_cache(repository, candidate) if repository else None
        if isinstance(found, str):
            return Path(found)
    return None


def _preprocessing(config: OpenClipConfig, plan: ClipArchitecture) -> tuple[Colors, Colors]:
    """Mean and deviation of images 0..1: from the weights' tag or the settings beside them, else OpenAI's.

    Raises BadConfig if the weights were trained with the other kind of GELU.
    """
    from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD

    stated: dict[str, Any] = {}
    quick_gelu: bool | None = None
    if config.pretrained is not None:
        path = Path(config.pretrained)
        beside = (path if path.is_dir() else path.parent) / _SETTINGS
        if path.exists() and beside.is_file():
            settings = _json(beside)
            stated = settings.get("preprocess_cfg", {})
            quick_gelu = bool(settings.get("model_cfg", {}).get("quick_gelu", False))
        elif not path.exists():
            stated = _tag(config.name, config.pretrained) or {}
            quick_gelu = bool(stated["quick_gelu"]) if "quick_gelu" in stated else None
    if quick_gelu is not None and quick_gelu != plan.quick_gelu:
        raise BadConfig(
            f"name: expected an architecture with quick_gelu {quick_gelu}, as {config.pretrained} was trained, found "
            f"{config.name} with {plan.quick_gelu}. Names that end in -quickgelu have it."
        )
    mean, std = stated.get("mean", OPENAI_DATASET_MEAN), stated.get("std", OPENAI_DATASET_STD)
    return (mean[0], mean[1], mean[2]), (std[0], std[1], std[2])


def _json(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        raise BadConfig(f"{path}: expected JSON as in open_clip's files, found: {error}. Check the path.") from error
    if not isinstance(content, dict):
        raise BadConfig(
            f"{path}: expected an object, found {type(content).__name__}. Write it as open_clip's files are."
        )
    return content
