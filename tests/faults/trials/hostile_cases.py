"""Each hostile case as a command meets it, one after another in this process: python -m tests.faults.trials.hostile_cases OUT CASE..."""

import io
import json
import sys
import tempfile
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from lidar_vl_core.commands.cli import main
from tests.faults.trials.altered_files import peak_mb, reset_peak
from tests.recordings import REAL, SHIPPED


def outcome(path: Path, out: Path) -> dict[str, Any]:
    """Exit code, both outputs, seconds and MB of the command that is for such a file."""
    cloud = str(SHIPPED / "bags/packets_vlp16/scan.pcd")
    segment = ["segment", cloud, "--out", str(out), "--overwrite", "--model"]
    command = {"bags": ["inspect", str(path)], "clouds": ["segment", str(path), *segment[2:], "demo"]}
    told, failed = io.StringIO(), io.StringIO()
    reset_peak()
    began_s = time.monotonic()
    with redirect_stdout(told), redirect_stderr(failed):
        try:
            code = main(command.get(path.parent.name, [*segment, str(path)]))
        except SystemExit as ended:
            code = ended.code
    took = {"s": round(time.monotonic() - began_s, 2), "mb": round(peak_mb())}
    return {"code": code, "out": told.getvalue(), "err": failed.getvalue(), **took}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        found = {case: outcome(REAL / case, Path(folder) / "out.npz") for case in sys.argv[2:]}
    Path(sys.argv[1]).write_text(json.dumps(found))
