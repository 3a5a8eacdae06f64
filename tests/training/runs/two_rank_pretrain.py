"""Pre-training of rooms as one of several processes that torchrun's variables describe; its weights and losses lie in `out` after it."""

import json
import sys
from pathlib import Path

from offline_training.pretraining import pretrain as pretrain_module
from tests.training.pretraining.pretrain_scenes import Rooms, config


def main(out: Path, changes: dict) -> None:
    pretrain_module.open_source = lambda *_: Rooms(8)
    if changes.pop("fixed_norm", False):
        _fix_norms()
    pretrain_module.pretrain(config(out, **changes))


def _fix_norms() -> None:
    """Norm layers that use their running statistics, so that no scan depends on the batch it is in."""
    right = pretrain_module.Pretraining.on_train_start

    def fixed(self: object) -> None:
        right(self)
        self.network.eval()

    pretrain_module.Pretraining.on_train_start = fixed


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
