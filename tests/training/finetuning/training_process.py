"""A training in a process of its own, which a test may stop or kill."""

import json
import subprocess
import sys
import time
from pathlib import Path


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
    deadline = time.monotonic() + 600
    log = out / "metrics.jsonl"
    while time.monotonic() < deadline and (not log.exists() or len(log.read_text().splitlines()) < 3):
        assert child.poll() is None, child.communicate()[1].decode()
        time.sleep(0.01)
    return child
