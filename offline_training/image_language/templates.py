"""Sentences around prompts: those a vocabulary states, or the 80 of OpenAI by one name."""

from lidar_vl_core.vocabulary import IMAGENET_TEMPLATES


def template_sentences(templates: tuple[str, ...]) -> tuple[str, ...]:
    """The sentences, each with one {} for the prompt; ("imagenet",) stands for the 80 templates of CLIP for ImageNet."""
    if templates != IMAGENET_TEMPLATES:
        return templates
    from open_clip import OPENAI_IMAGENET_TEMPLATES

    return tuple(fill("{}") for fill in OPENAI_IMAGENET_TEMPLATES)
