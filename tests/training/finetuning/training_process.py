"""A training in a process of its own, which a test may stop or kill."""

import json
import subprocess
import sys
from pathlib import Path

from tests.training.training_log import wait_for_steps


def child_run(out: Path, **changes: object) -> subprocess.Popen:
    """The same training in a process of its own, that can be killed; returns when it has done three steps."""
    script = (
        "import json, sys; sys.path.insert(0, sys.argv[1])\n"
        "import rooms\n"
        "from offline_training.finetuning import finetune\n"
        "from pathlib import Path\n"
        "finetune.open_source = lambda *_: rooms.Rooms()\n"
        "finetune.finetune(rooms.config(Path(sys.argv[2]), **json.loads(sys.argv[3])))\n"
    )
    arguments = [str(Path(__file__).parent), str(out), json.dumps(changes)]
    child = subprocess.Popen([sys.executable, "-c", script, *arguments], stderr=subprocess.PIPE)
    wait_for_steps(out, 3, child)
    return child
