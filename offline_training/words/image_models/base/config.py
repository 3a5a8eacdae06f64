"""Configurations of the models that give pixels features in the space of words, one for each kind."""

from typing import Annotated, Literal

from pydantic import Field

from lidar_vl_core.foundation.config import Config, Use

_Probability = Annotated[float, Field(ge=0.0, le=1.0)]


TOY_FILES = ("weights.safetensors", "words.json")  # of the toy model's folder


class ToyModelConfig(Config):
    """The toy vision-language model of the synthetic worlds."""

    kind: Literal["toy"]
    folder: str  # with weights.safetensors and words.json, as `lidar-vl-train toy-language` writes them


class ClassesAsWordsConfig(Config):
    """A closed-set segmenter: its class probabilities times the text vectors of their words."""

    kind: Literal["classes_as_words"]
    values: str = "cityscapes"  # ontology of the segmenter's classes; its prompts are their words
    weights: str | None = None  # of ESPNet; this or labels
    height: int = 512  # height, width of ESPNet's input, pixels
    width: int = 1024
    labels: str | None = None  # folder of existing 8-bit PNGs, one for each image
    template: str = "{file}.png"  # under the folder; see picture_path.PicturePath for the fields
    ignored_values: tuple[int, ...] = ()  # PNG values that mean no class, besides 255
    toy: str | None = None  # folder of a toy language model, for the text; either this or text_embeddings
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
    """A CLIP of open_clip, ViT or ConvNeXt, with dense features."""

    kind: Literal["open_clip"]
    name: str = "ViT-B-16"  # of open_clip, or a .json file like its own; OpenAI's weights need the -quickgelu names
    pretrained: str | None = None  # local file or folder of weights, or a tag that open_clip has already downloaded
    allow_random_weights: bool = False
    reading: Literal["plain", "maskclip", "sclip", "clearclip", "naclip", "proxyclip"] = (
        "naclip"  # of a ViT's last block
    )
    dino: str = "vit_base_patch8_224.dino"  # proxyclip: the ViT of timm whose features say which patches are similar
    dino_weights: str | None = None  # its file
    short_side_px: int = 336  # of the resized image
    window_px: int = 224
    stride_px: int = 112
    key_smoothing: _Probability | None = None  # MaskCLIP's threshold, for class maps and previews; default: off
    prompt_denoising: _Probability | None = None  # MaskCLIP's and RADSeg's threshold (theirs: 0.5); likewise
    device: str = "auto"

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others."""
        return ((self.reading == "proxyclip", ("dino", "dino_weights"), "with reading: proxyclip"),)


class Siglip2Config(Config):
    """A SigLIP of open_clip over a timm trunk, its attention pooling applied patch by patch."""

    kind: Literal["siglip2"]
    name: str = "ViT-B-16-SigLIP2-256"  # of open_clip, or a .json file like its own
    pretrained: str | None = None  # local file or folder of weights, or a tag that open_clip has already downloaded
    tokenizer: str | None = None  # folder of its files (tokenizer.json ...); default: the folder of the weights
    allow_random_weights: bool = False
    short_side_px: int = 336
    window_px: int = 224
    stride_px: int = 112
    prompt_denoising: _Probability | None = None  # as for open_clip
    device: str = "auto"


class OpenSceneFeaturesConfig(Config):
    """Precomputed features in OpenScene's files: only averages over voxels are computed."""

    kind: Literal["openscene_features"]
    folder: str  # of <scene>.pt, or <scene>_0.pt ... for parts of a scene
    text_embeddings: str | None = None  # text_table.npz, or a .npy or .pt (P, C); this or text_model
    text_names: str | None = None  # of a .npy or .pt: JSON list of its P prompts
    text_model: OpenClipConfig | None = None  # OpenSeg: ViT-L-14-336-quickgelu; LSeg: ViT-B-32-quickgelu

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others."""
        has_rows = self.text_embeddings is not None or self.text_model is None
        return ((has_rows, ("text_names",), "with text_embeddings"),)


class RadioConfig(Config):
    """A C-RADIO of transformers with a language adaptor, with dense features by RADSeg's recipe."""

    kind: Literal["radio"]
    folder: str  # config.json with model_type radio, safetensors
    adaptor: str  # file with the adaptor's head_mlp
    adaptor_name: str = "siglip2-g"  # which one, if the file holds several
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
    """Towers exported to ONNX by anyone, with the tensor names of this project's packages."""

    kind: Literal["onnx"]
    image_encoder: str  # ONNX: image (1, 3, H, W) float32 RGB -> features (1, C, h, w) float32
    height: int | None = None  # pixels; required if the graph leaves them open
    width: int | None = None
    mean: tuple[float, float, float] = (
        0.0,
        0.0,
        0.0,
    )  # mean and deviation by which images of 0..1 are normalised before the graph
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    logit_scale: float = 100.0  # CLIP's; a file of text embeddings has its own
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
