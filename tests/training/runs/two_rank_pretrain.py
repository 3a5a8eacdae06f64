"""Pre-training of rooms as one of several processes that torchrun's variables describe; its weights and losses lie in `out` after it."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from offline_training.pretraining import pretrain as pretrain_module
from tests.training.pretraining.pretrain_scenes import Rooms, config

_REPOSITORY = Path(__file__).resolve().parents[3]


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


def start(out: Path, rank: int, port: int, changes: dict) -> subprocess.Popen:
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    environment = {**os.environ, **{name: str(value) for name, value in place.items()}, "OMP_NUM_THREADS": "1"}
    arguments = [str(out), json.dumps(changes)]
    module = [sys.executable, "-m", "tests.training.runs.two_rank_pretrain"]
    return subprocess.Popen([*module, *arguments], env=environment, cwd=_REPOSITORY, stderr=subprocess.PIPE)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
