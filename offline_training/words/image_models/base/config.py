"""Which model gives pixels features in the space of words: one configuration for each kind."""

from typing import Annotated, Literal

from pydantic import Field

from lidar_vl_core.foundation.config import Config, Use

_Probability = Annotated[float, Field(ge=0.0, le=1.0)]


TOY_FILES = ("weights.safetensors", "words.json")  # of a toy model's folder


class ToyModelConfig(Config):
    """The toy vision-language model of the synthetic worlds."""

    kind: Literal["toy"]
    folder: str  # weights.safetensors, words.json, as `lidar-vl-train toy-language` writes them


class ClassesAsWordsConfig(Config):
    """A closed-set segmenter: its classes' probabilities times the text vectors of their words."""

    kind: Literal["classes_as_words"]
    values: str = "cityscapes"  # ontology of the segmenter's classes; its prompts are their words
    weights: str | None = None  # of ESPNet; this or labels
    height: int = 512  # that ESPNet sees, pixels
    width: int = 1024
    labels: str | None = None  # folder of ready 8-bit PNGs, one for each picture
    template: str = "{file}.png"  # under the folder; see picture_path.PicturePath for the fields
    ignored_values: tuple[int, ...] = ()  # of the PNGs: those that mean no class, beside 255
    toy: str | None = None  # folder of a toy language model, for the text; this or text_embeddings
    text_embeddings: str | None = None  # text_table.npz, or a .npy (P, C)
    text_names: str | None = None  # of a .npy: JSON list of its P prompts

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others."""
        return (
            (self.weights is not None or self.labels is None, ("height", "width"), "with weights"),
            (self.labels is not None or self.weights is None, ("template", "ignored_values"), "with labels"),
            (self.text_embeddings is not None or self.toy is None, ("text_names",), "with text_embeddings"),
        )


class OpenClipConfig(Config):
    """A CLIP of open_clip, ViT or ConvNeXt, read densely."""

    kind: Literal["open_clip"]
    name: str = "ViT-B-16"  # of open_clip, or a .json file like its own; OpenAI's weights need the -quickgelu names
    pretrained: str | None = None  # local file or folder of weights, or a tag that open_clip has already fetched
    allow_random_weights: bool = False
    reading: Literal["plain", "maskclip", "sclip", "clearclip", "naclip", "proxyclip"] = (
        "naclip"  # of a ViT's last block
    )
    dino: str = "vit_base_patch8_224.dino"  # proxyclip: what sees which patches are alike, a ViT of timm
    dino_weights: str | None = None  # its file
    short_side_px: int = 336  # of the resized picture
    window_px: int = 224
    stride_px: int = 112
    key_smoothing: _Probability | None = None  # MaskCLIP's threshold, of class maps and previews; nothing = off
    prompt_denoising: _Probability | None = None  # MaskCLIP's and RADSeg's threshold, 0.5; likewise
    device: str = "auto"

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others."""
        return ((self.reading == "proxyclip", ("dino", "dino_weights"), "with reading: proxyclip"),)


class Siglip2Config(Config):
    """A SigLIP of open_clip over a timm trunk, its pooling read patch by patch."""

    kind: Literal["siglip2"]
    name: str = "ViT-B-16-SigLIP2-256"  # of open_clip, or a .json file like its own
    pretrained: str | None = None  # local file or folder of weights, or a tag that open_clip has already fetched
    tokenizer: str | None = None  # folder of its files (tokenizer.json ...); nothing = the folder of the weights
    allow_random_weights: bool = False
    short_side_px: int = 336
    window_px: int = 224
    stride_px: int = 112
    prompt_denoising: _Probability | None = None  # as of open_clip
    device: str = "auto"


class OpenSceneFeaturesConfig(Config):
    """Features that lie ready in OpenScene's files: nothing is computed but averages over voxels."""

    kind: Literal["openscene_features"]
    folder: str  # <scene>.pt, or <scene>_0.pt ... for parts of a scene
    text_embeddings: str | None = None  # text_table.npz, or a .npy or .pt (P, C); this or text_model
    text_names: str | None = None  # of a .npy or .pt: JSON list of its P prompts
    text_model: OpenClipConfig | None = None  # OpenSeg: ViT-L-14-336-quickgelu; LSeg: ViT-B-32-quickgelu

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others."""
        has_rows = self.text_embeddings is not None or self.text_model is None
        return ((has_rows, ("text_names",), "with text_embeddings"),)


class RadioConfig(Config):
    """A C-RADIO of transformers with a language adaptor, read by RADSeg's recipe."""

    kind: Literal["radio"]
    folder: str  # config.json with model_type radio, safetensors
    adaptor: str  # file with the adaptor's head_mlp
    adaptor_name: str = "siglip2-g"  # which one, where the file holds several
    text_embeddings: str | None = None  # text_table.npz, or a .npy (P, C); this or text_model
    text_names: str | None = None  # of a .npy: JSON list of its P prompts
    text_model: OpenClipConfig | Siglip2Config | None = None  # the adaptor's teacher: ViT-gopt-16-SigLIP2-384
    short_side_px: int = 448
    window_px: int = 336
    stride_px: int = 224
    prompt_denoising: _Probability | None = None  # RADSeg: 0.5
    device: str = "auto"

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others."""
        has_rows = self.text_embeddings is not None or self.text_model is None
        return ((has_rows, ("text_names",), "with text_embeddings"),)


class OnnxTowersConfig(Config):
    """Towers that somebody has exported to ONNX, with the names this project's packages use."""

    kind: Literal["onnx"]
    image_encoder: str  # ONNX: image (1, 3, H, W) float32 RGB -> features (1, C, h, w) float32
    height: int | None = None  # pixels; needed where the graph leaves them open
    width: int | None = None
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)  # that pictures of 0..1 are normed by before the graph
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    logit_scale: float = 100.0  # CLIP's; with a file of text embeddings its own
    text_encoder: str | None = None  # ONNX: tokens (B, L) int64 -> embeddings (B, C) float32; this or text_embeddings
    tokenizer: Literal["clip_bpe", "words"] = "clip_bpe"
    tokenizer_file: str | None = None  # bpe_merges.txt.gz or words.json, as in a package
    context_length: int = 77
    text_embeddings: str | None = None  # text_table.npz, or a .npy (P, C)
    text_names: str | None = None  # of a .npy: JSON list of its P prompts

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others."""
        of_tower = ("logit_scale", "tokenizer", "tokenizer_file", "context_length")
        return (
            (self.text_encoder is not None or self.text_embeddings is None, of_tower, "with text_encoder"),
            (self.text_embeddings is not None or self.text_encoder is None, ("text_names",), "with text_embeddings"),
        )


ImageModelConfig = Annotated[
    ToyModelConfig
    | ClassesAsWordsConfig
    | OpenClipConfig
    | Siglip2Config
    | OpenSceneFeaturesConfig
    | RadioConfig
    | OnnxTowersConfig,
    Field(discriminator="kind"),
]
