"""Files altered at random by the thousand, each read in this process: python -m tests.faults.trials.altered_files KIND COUNT FOLDER.

What is altered lies in FOLDER/KIND. A file is read right or refused by a typed error of one short line, in bounded time and memory; the
process that asked for it sees a crash by the exit code. Prints a JSON object.
"""

import json
import random
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lidar_vl_core.commands.program.command_line import CommandLine
from lidar_vl_core.foundation.errors import LidarVlError

MOST_S, MOST_MB, MOST_CHARACTERS = 20, 1000, 1500
_ADDRESS_SPACE = 6 << 30  # beyond it memory is refused: 1 GB is judged by what is really taken
_NASTY = (0, 1, 2, 127, 128, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40, 2**62, 2**63, 2**64 - 1)
_WORDS = (
    b"!!bool x", b"!!set {a}", b"!!timestamp x", b"!!python/object:os.system", b"-1", b"1e400", b".nan", b"nan", b"99999999999999999999",
    b"9" * 5000, b"&a [*a]", b"[" * 2000, b"{" * 300, b"null", b"''", b"\xff\xfe", b"\0", b"\x1b[31m", b"../../x", b"x" * 10_000,
)  # fmt: skip


def run(kind: str, count: int, folder: Path, seed: int) -> dict[str, Any]:
    """Outcomes by name, the slowest and the largest read, and the first alteration that ended in anything else."""
    read, originals = _READERS[kind], sorted((folder / kind).iterdir())
    chance, outcomes, worst = random.Random(seed), Counter[str](), {"slowest_s": 0.0, "most_mb": 0.0}
    wrong: list[str] = []
    for number in range(count):
        original = chance.choice(originals)
        place = folder / "altered" / original.name
        place.parent.mkdir(exist_ok=True)
        content = altered(original.read_bytes(), originals, chance)
        place.write_bytes(content)
        reset_peak()
        signal.alarm(3 * MOST_S)
        began_s = time.process_time()
        outcome, why = _outcome(read, place)
        took_s, took_mb = time.process_time() - began_s, peak_mb()
        signal.alarm(0)
        worst = {"slowest_s": max(worst["slowest_s"], took_s), "most_mb": max(worst["most_mb"], took_mb)}
        if took_s > MOST_S or took_mb > MOST_MB:
            outcome, why = "too slow or too large", f"{took_s:.1f} s, {took_mb:.0f} MB"
        outcomes[outcome] += 1
        if outcome not in ("read", "refused"):
            kept = folder / f"wrong_{kind}_{seed}_{number}{place.suffix}"
            kept.write_bytes(content)
            wrong.append(f"{kept}: {outcome}: {why}")
    return {"outcomes": dict(outcomes), "wrong": wrong, **worst}


def altered(content: bytes, originals: list[Path], chance: random.Random) -> bytes:
    """One to three alterations: bits, nasty numbers, cuts, doubles, words, and pieces of another file."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        size, what = max(len(content), 1), chance.randrange(8)
        at = chance.choice(
            (chance.randrange(size), chance.randrange(min(size, 300)), size - 1 - chance.randrange(min(size, 200)))
        )
        if what == 0:
            content = (
                content[:at] + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :] if content else b"\0"
            )
        elif what <= 2:
            number = chance.choice(_NASTY).to_bytes(8, chance.choice(("little", "big")))
            number = number[: chance.choice((1, 2, 4, 8))] if chance.random() < 0.7 else number[-4:]
            content = content[:at] + number + content[at + len(number) :]
        elif what == 3:
            content = content[:at]
        elif what == 4:
            end = at + chance.choice((1, 8, 64, 4096))
            content = content[:end] + content[at:end] * chance.choice((1, 2, 50)) + content[end:]
        elif what == 5:
            content = content[:at] + chance.choice(_WORDS) + content[at + chance.choice((0, 1, 8)) :]
        elif what == 6:
            other = chance.choice(originals).read_bytes()
            start = chance.randrange(max(len(other), 1))
            piece = other[start : start + chance.choice((4, 64, 1024, len(other)))]
            content = content[:at] + piece + content[at + len(piece) :]
        else:
            content = content[:at] + content[at + chance.choice((1, 4, 100)) :]
    return content


def _outcome(read: Callable[[Path], None], path: Path) -> tuple[str, str]:
    try:
        read(path)
    except LidarVlError as error:
        told = str(error)
        if len(told) > MOST_CHARACTERS or not told.isprintable():
            return "a refusal that is no short line", repr(told[:2000])
        return "refused", ""
    except BaseException as error:  # what the count is about
        where = traceback.extract_tb(error.__traceback__)[-1]
        return type(error).__name__, f"{error} at {where.filename}:{where.lineno}"[:1000]
    return "read", ""


def _read_bag(path: Path) -> None:
    """As `lidar-vl inspect` does, and then every message to its end."""
    from lidar_vl_core.bags.reader import open_bag
    from lidar_vl_core.commands.recordings.inspection import inspection, inspection_text

    told = inspection_text(inspection(path))
    if not told.replace("\n", "").isprintable():
        raise ValueError(f"steering characters in {told!r}")
    with open_bag(path, most_s=10.0) as bag:
        for message in bag.messages():
            try:
                message.message  # noqa: B018  decodes
            except LidarVlError:
                continue


def _read_folder(path: Path) -> None:
    """The altered file as metadata.yaml beside a sound recording."""
    import shutil

    folder = path.parent / "folder"
    folder.mkdir(exist_ok=True)
    sound = folder / "street_db3_raw.db3"
    if not sound.exists():
        shutil.copy(path.parent.parent / "beside" / sound.name, sound)
    shutil.copy(path, folder / "metadata.yaml")
    _read_bag(folder)


def _read_cloud(path: Path) -> None:
    from lidar_vl_core.clouds.cloud_files import read_cloud_file

    read_cloud_file(path)


def _read_config(path: Path) -> None:
    from lidar_vl_core.foundation.config import load_yaml

    load_yaml(path)


def _read_package(path: Path) -> None:
    """The altered model or manifest in a package whose hashes fit; where it is accepted, a cloud goes through it."""
    import numpy as np

    from lidar_vl_core.clouds.point_cloud import PointCloud
    from lidar_vl_core.model_packages.package import load_model_package
    from lidar_vl_core.tasks.segmenter import Segmenter
    from tests.faults.trials.sealed_package import sealed_with

    package = load_model_package(sealed_with(path, path.parent / "package"))
    rng = np.random.default_rng(0)
    cloud = PointCloud(rng.uniform(-7, 7, (200, 3)).astype(np.float32), rng.random(200, np.float32), 0, "lidar")
    answer = Segmenter(package).segment(cloud)
    if len(answer.class_id) != 200:
        raise ValueError(f"{len(answer.class_id)} labels for 200 points")


_READERS: dict[str, Callable[[Path], None]] = {
    "bags": _read_bag,
    "metadata": _read_folder,
    "clouds": _read_cloud,
    "configurations": _read_config,
    "packages": _read_package,
}


def reset_peak() -> None:
    """From now on peak_mb() counts anew."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_mb() -> float:
    """The most memory that this process had since reset_peak()."""
    (line,) = [text for text in Path("/proc/self/status").read_text().splitlines() if text.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    parser = CommandLine(prog="python -m tests.faults.trials.altered_files", description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=_READERS)
    parser.add_argument("count", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    sys.set_int_max_str_digits(4300)
    print(json.dumps(run(arguments.kind, arguments.count, arguments.folder, arguments.seed)))
