"""How time, memory and bytes grow with points, beams, cameras, classes, prompts, pictures, processes and workers, and what follows.

Each axis is measured at five places or more on this machine and saved under OUT/axes as soon as it is done (--resume goes on);
slopes are least squares with 95 % intervals. From them follows what two cores cannot measure; what is assumed are the options
below, and is printed with every answer. About six minutes on two idle cores. Labels and pictures need the recordings that tests
use (LIDAR_VL_TEST_DATA); without them these axes, and what follows from them, are left out.
"""

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from lidar_vl_core.commands.program.command_line import CommandLine
from lidar_vl_core.foundation.files import read_json, write_text
from tests.bench.report.machine import machine
from tests.bench.scaling.model import Estimate, Scenario, estimates


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, then extrapolate; exit code 1 when an axis failed."""
    parser = CommandLine(
        prog="python -m tests.bench.scaling", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("out/scaling"), help="folder for all results (out/scaling)")
    parser.add_argument("--only", nargs="+", choices=MEASUREMENTS, metavar="AXIS", help=f"of {', '.join(MEASUREMENTS)}")
    parser.add_argument("--resume", action="store_true", help="leave out axes that are saved already")
    for field in fields(Scenario):
        option = f"--{field.name.replace('_', '-')}"
        parser.add_argument(option, type=type(field.default), default=field.default, help=f"assumed: {field.default}")
    asked = parser.parse_args(arguments)
    scenario = Scenario(**{field.name: getattr(asked, field.name) for field in fields(Scenario)})
    failed = _measure(asked.only or list(MEASUREMENTS), asked.out, asked.resume)
    _report(asked.out, scenario)
    return 1 if failed else 0


def _measure(names: Sequence[str], out: Path, resume: bool) -> list[str]:
    """Names of the axes that failed."""
    failed = []
    for number, name in enumerate(names, start=1):
        path = out / "axes" / f"{name}.json"
        if resume and path.is_file() and read_json(path)["machine"] == machine():
            print(f"[{number}/{len(names)}] {name}: saved already", file=sys.stderr, flush=True)
            continue
        print(f"[{number}/{len(names)}] {name} ...", file=sys.stderr, flush=True)
        started_s = time.monotonic()
        try:
            told = MEASUREMENTS[name]()
        except Exception:
            traceback.print_exc()
            failed.append(name)
            continue
        if told is None:
            print("  left out: needs LIDAR_VL_TEST_DATA", file=sys.stderr, flush=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps({"machine": machine(), **told}, indent=1) + "\n")
        print(f"  took {time.monotonic() - started_s:.0f} s", file=sys.stderr, flush=True)
    return failed


def _report(out: Path, scenario: Scenario) -> None:
    from tests.bench.scaling.report import markdown, measured_of, save_plot, saved

    told = saved(out)
    found = estimates(measured_of(told), scenario)
    text = markdown(told, found, scenario)
    print(text)
    answers: list[Estimate] = found
    content = {
        "machine": machine(),
        "scenario": asdict(scenario),
        "estimates": [asdict(each) for each in answers],
        **told,
    }
    write_text(out / "scaling.json", json.dumps(content, indent=1) + "\n")
    write_text(out / "scaling.md", text)
    plot = save_plot(told, out)
    print("saved to", ", ".join(str(path) for path in (out / "scaling.json", out / "scaling.md", plot) if path))


def _axes(module: str, name: str, needs_data: bool = False) -> dict[str, Any] | None:
    from importlib import import_module

    measure = getattr(import_module(f"tests.bench.scaling.{module}"), name)
    if not needs_data:
        return {"axes": [axis.as_json() for axis in measure()]}
    from tests.bench.scaling.recordings import recordings

    folder = recordings()
    return None if folder is None else {"axes": [axis.as_json() for axis in measure(folder)]}


def _ray_workers() -> dict[str, Any]:
    from tests.bench.scaling.labelling_axes import ray_workers

    return {"ratios": [asdict(ray_workers())]}


def _processes() -> dict[str, Any]:
    from tests.bench.scaling.training_axes import BATCH, processes

    ratio, alone = processes()
    return {"ratios": [asdict(ratio)], "step": {**alone, "batch": BATCH}}


MEASUREMENTS: dict[str, Callable[[], dict[str, Any] | None]] = {
    **{
        name: lambda n=name: _axes("vehicle_axes", n)
        for name in ("points", "voxels", "beams", "classes", "prompts", "cameras")
    },
    "pictures": lambda: _axes("labelling_axes", "pictures", needs_data=True),
    "memory_of_pictures": lambda: _axes("labelling_axes", "memory_of_pictures"),
    "ray_samples": lambda: _axes("labelling_axes", "ray_samples"),
    "ray_workers": _ray_workers,
    "processes": _processes,
    "gradients": lambda: _axes("training_axes", "gradients"),
    "recorded_clouds": lambda: _axes("storage_axes", "clouds"),
    "recorded_pictures": lambda: _axes("storage_axes", "pictures", needs_data=True),
}


if __name__ == "__main__":
    sys.exit(main())
