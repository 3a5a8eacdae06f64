"""A SigLIP of open_clip as a dense model, from local files only. Touches the disk."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lidar_vl_core.foundation.errors import BadConfig, BadModelPackage
from lidar_vl_core.foundation.files import sha256_of
from offline_training.networks.image.weight_file import load_weights, read_weight_file
from offline_training.words.image_models.base.config import Siglip2Config
from offline_training.words.image_models.base.open_clip_package import open_clip_package
from offline_training.words.image_models.towers.open_clip_model import OpenClipModel, Words
from offline_training.words.image_models.towers.open_clip_weights import (
    ClipArchitecture,
    ClipWeights,
    download_command,
    model_file,
    weights_file,
)
from offline_training.words.image_models.towers.siglip2_tower import Siglip2Tower

_RANDOM_SEED = 0
_GREY = (0.5, 0.5, 0.5)  # mean and deviation of images 0..1 of every SigLIP in open_clip
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json")


def open_siglip2(config: Siglip2Config) -> OpenClipModel:
    """The model of a configuration, on its device.

    Raises BadConfig, BadModelPackage for missing weights or tokenizer, BadCheckpoint for a file that does not match.
    Its text tower has no ONNX graph, because robots do not have its tokenizer.
    """
    plan = siglip_architecture(config.name)
    tokenizer = _tokenizer(config, plan)
    clip = plan.build()
    sha256 = None
    if config.pretrained is not None:
        path = weights_file(config.name, config.pretrained)
        load_weights(clip, read_weight_file(path), path)
        sha256 = sha256_of(path)
    elif not config.allow_random_weights:
        raise BadModelPackage(
            f"{config.name}: expected weights, found an empty pretrained. Features of random weights mean nothing: set "
            "it to a file or a folder; or try the pipeline without them by --allow-random-weights."
        )
    weights = ClipWeights(clip, plan, _GREY, _GREY, sha256)
    reading = {"reading": "pooled values", "tokenizer_sha256": tokenizer.sha256}
    visual: Any = clip.visual
    return OpenClipModel(weights, Siglip2Tower(visual), Words(tokenizer), config, reading)


@dataclass(frozen=True)
class SiglipArchitecture(ClipArchitecture):
    """The parameters from which open_clip builds a SigLIP."""

    init_logit_bias: float | None = field(default=None, kw_only=True)

    def build(self) -> nn.Module:
        """A SigLIP with reproducible random weights. Raises BadConfig if open_clip cannot build it."""
        package = open_clip_package()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_RANDOM_SEED)
            try:
                return package.CustomTextCLIP(
                    self.embed_dim,
                    {**self.vision_cfg, "timm_model_pretrained": False},
                    self.text_cfg,
                    quick_gelu=self.quick_gelu,
                    init_logit_bias=self.init_logit_bias,
                )
            except (TypeError, ValueError, RuntimeError, AssertionError) as error:
                raise BadConfig(
                    f"{self.name}: expected vision_cfg and text_cfg of a SigLIP, found: {error}."
                ) from error


def siglip_architecture(name: str) -> SiglipArchitecture:
    """The architecture of that name in open_clip, or of a .json file like open_clip's. Raises BadConfig."""
    content = model_file(name)
    text = content.get("text_cfg", {})
    if not content.get("custom_text") or "hf_model_name" in text or content["vision_cfg"].get("timm_pool") != "map":
        raise BadConfig(
            f"name: expected a SigLIP with open_clip's own text tower, found {name}. "
            "Choose a name such as ViT-B-16-SigLIP2-256, or the kind open_clip for a plain CLIP."
        )
    return SiglipArchitecture(
        name, content["embed_dim"], content["vision_cfg"], text, init_logit_bias=content.get("init_logit_bias")
    )


class LocalTokenizer:
    """A tokenizer of transformers from a folder; the network is not used, and no code from the folder is run."""

    def __init__(self, folder: Path, text_cfg: dict[str, Any]) -> None:
        """text_cfg: of open_clip; its cleaning converts to lower case and drops punctuation. Raises BadModelPackage."""
        from open_clip.tokenizer import HFTokenizer

        files = sorted(path for path in folder.glob("*") if path.name in _TOKENIZER_FILES)
        if not files:
            raise BadModelPackage(
                f"tokenizer: expected a folder with {' or '.join(_TOKENIZER_FILES[:2])}, found none in {folder}. Fetch them "
                f"with `{download_command(text_cfg.get('hf_tokenizer_name', ''))}`."
            )
        options = text_cfg.get("tokenizer_kwargs", {})
        try:
            self._tokenizer = HFTokenizer(
                str(folder), text_cfg.get("context_length"), **options, local_files_only=True, trust_remote_code=False
            )
        except Exception as error:  # transformers raises various errors for bad files
            raise BadModelPackage(
                f"{folder}: expected a tokenizer that transformers can load, found: {error}. Fetch it again."
            ) from error
        self.sha256 = "-".join(sha256_of(path)[:16] for path in files)

    def __call__(self, sentences: list[str]) -> Tensor:
        """Tokens (B, L) int64 of B sentences."""
        return self._tokenizer([sentence.lower() for sentence in sentences])


def _tokenizer(config: Siglip2Config, plan: SiglipArchitecture) -> LocalTokenizer:
    beside = Path(config.pretrained or "")
    folder = config.tokenizer or (str(beside) if config.pretrained and beside.is_dir() else None)
    if folder is None:
        raise BadModelPackage(
            f"{config.name}: expected tokenizer (the folder of its files), found none; it is never downloaded "
            f"automatically. Fetch them with `{download_command(plan.text_cfg.get('hf_tokenizer_name', ''))}`, then "
            "set tokenizer (and pretrained, if it also has the weights) to FOLDER."
        )
    return LocalTokenizer(Path(folder), plan.text_cfg)
