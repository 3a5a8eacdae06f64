"""Which model gives pixels features in the space of words: one configuration for each kind."""

from typing import Annotated, Literal

from pydantic import Field

from lidar_vl_core.config import Config


class ToyModelConfig(Config):
    """The toy vision-language model of the synthetic worlds."""

    kind: Literal["toy"]
    folder: str  # weights.safetensors, words.json, as `lidar-vl-train toy-language` writes them


class OpenClipConfig(Config):
    """A CLIP of open_clip, ViT or ConvNeXt, read densely."""

    kind: Literal["open_clip"]
    name: str = "ViT-B-16"  # OpenAI's weights need the -quickgelu names
    pretrained: str | None = None  # a local weights file, or a tag that open_clip has already downloaded
    allow_random_weights: bool = False
    reading: Literal["plain", "maskclip", "sclip", "clearclip", "naclip", "proxyclip"] = (
        "naclip"  # ViT: how the last block is read
    )
    short_side_px: int = 336
    window_px: int = 224
    stride_px: int = 112
    key_smoothing: float | None = None  # MaskCLIP's threshold; nothing = off
    prompt_denoising: float | None = None  # MaskCLIP's and RADSeg's threshold, 0.5; nothing = off
    device: str = "auto"


ImageModelConfig = Annotated[ToyModelConfig | OpenClipConfig, Field(discriminator="kind")]
