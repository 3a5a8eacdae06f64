"""Sentence templates around prompts: those of a vocabulary, or OpenAI's 80 by one name."""

from lidar_vl_core.words.vocabulary import IMAGENET_TEMPLATES
from offline_training.words.image_models.base.open_clip_package import open_clip_package


def template_sentences(templates: tuple[str, ...]) -> tuple[str, ...]:
    """The sentences, each with one {} for the prompt; ("imagenet",) stands for the 80 templates of CLIP for ImageNet.

    Raises BadConfig if they are requested without open_clip.
    """
    if templates != IMAGENET_TEMPLATES:
        return templates
    return tuple(fill("{}") for fill in open_clip_package().OPENAI_IMAGENET_TEMPLATES)
