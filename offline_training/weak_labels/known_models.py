"""Vision models that weak labels are made with: where they lie, and the licence whoever uses them has to accept."""

from dataclasses import dataclass


@dataclass(frozen=True)
class KnownModel:
    """A repository of the Hugging Face hub."""

    repository: str
    licence: str  # as --accept-licence wants it, compared without regard to case


_APACHE = "apache-2.0"

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
}
