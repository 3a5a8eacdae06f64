"""The keys of a package's card, read without PyTorch."""

from lidar_vl_core.foundation.config import Config


class CardText(Config):
    """What only a person can say about a model."""

    name: str
    licence: str
    training_data: tuple[str, ...]  # with attribution, where its licence asks for it
    limits: tuple[str, ...]  # what it is not good for
    text: str  # Markdown: what it is, how it was made, how good it is
