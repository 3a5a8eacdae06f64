"""The card of packages that tests export."""

from offline_training.export.description import CardText

CARD = CardText(name="trial", licence="none", training_data=("nothing",), limits=("everything",), text="A trial.")
