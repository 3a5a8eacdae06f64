"""Models for weak labels and features: their repositories, and the licences to accept."""

from dataclasses import dataclass


@dataclass(frozen=True)
class KnownModel:
    """A repository of the Hugging Face hub."""

    repository: str
    licence: str  # for --accept-licence, compared case-insensitively


_APACHE, _MIT = "apache-2.0", "mit"

KNOWN_MODELS = {
    "grounding-dino-tiny": KnownModel("IDEA-Research/grounding-dino-tiny", _APACHE),  # Swin-T, OLIVINE's detector
    "grounding-dino-base": KnownModel("IDEA-Research/grounding-dino-base", _APACHE),
    "mm-grounding-dino-tiny": KnownModel("openmmlab-community/mm_grounding_dino_tiny_o365v1_goldg_v3det", _APACHE),
    "llmdet-tiny": KnownModel("iSEE-Laboratory/llmdet_tiny", _APACHE),
    "llmdet-base": KnownModel("iSEE-Laboratory/llmdet_base", _APACHE),
    "llmdet-large": KnownModel("iSEE-Laboratory/llmdet_large", _APACHE),
    "sam-vit-base": KnownModel("facebook/sam-vit-base", _APACHE),
    "sam-vit-huge": KnownModel("facebook/sam-vit-huge", _APACHE),
    "sam-hq-vit-base": KnownModel("syscv-community/sam-hq-vit-base", _APACHE),
    "sam-hq-vit-huge": KnownModel("syscv-community/sam-hq-vit-huge", _APACHE),  # OLIVINE's segmenter
    "sam2.1-hiera-tiny": KnownModel("facebook/sam2.1-hiera-tiny", _APACHE),
    "sam2.1-hiera-large": KnownModel("facebook/sam2.1-hiera-large", _APACHE),
    "sam3": KnownModel("facebook/sam3", "sam-license"),  # gated: its authors grant access to an account
    # Image-language models of open_clip; OpenAI's need architecture names that end in -quickgelu.
    "clip-vit-b-16-laion2b": KnownModel("laion/CLIP-ViT-B-16-laion2B-s34B-b88K", _MIT),
    "clip-vit-b-16-openai": KnownModel("timm/vit_base_patch16_clip_224.openai", _APACHE),
    "clip-vit-l-14-336-openai": KnownModel("timm/vit_large_patch14_clip_336.openai", _APACHE),  # OpenSeg's text
    "clip-vit-h-14-laion2b": KnownModel("laion/CLIP-ViT-H-14-laion2B-s32B-b79K", _MIT),
    "siglip2-vit-b-16-256": KnownModel("timm/ViT-B-16-SigLIP2-256", _APACHE),
    "dino-vit-b-8": KnownModel("timm/vit_base_patch8_224.dino", _APACHE),  # ProxyCLIP's affinities
    "dino-vit-b-16": KnownModel("timm/vit_base_patch16_224.dino", _APACHE),
}
