"""Messages and files that claim sizes nobody has, read with 200 MB to spare: python -m tests.faults.trials.claimed_sizes KIND FOLDER."""

import json
import resource
import struct
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.clouds.cloud_files import read_cloud
from lidar_vl_core.clouds.point_cloud2 import decode, encode
from tests.faults.trials.altered_files import peak_mb, reset_peak

_SPARE = 200 << 20
_SIZES = (10_000_001, 2**24 + 1, 2**31 - 1, 2**31, 2**32 - 1)


def messages() -> Iterator[Callable[[], object]]:
    """Of sound messages of three points every size, alone and against each other, and 10 million points that are there."""
    layout = encode({name: np.zeros(3, np.float32) for name in ("x", "y", "z", "intensity")})
    for size in _SIZES:
        for changes in (
            {"width": size}, {"height": size}, {"width": size, "height": size}, {"point_step": size}, {"row_step": size, "height": 3, "width": 1},
            {"width": size, "row_step": (size * 16) % 2**32}, {"height": size, "row_step": 16},
        ):  # fmt: skip
            sound = {"height": 1, "width": 3, "point_step": 16, "row_step": 48, "is_bigendian": False}
            header = SimpleNamespace(stamp=SimpleNamespace(sec=1, nanosec=2), frame_id="lidar")
            message = SimpleNamespace(header=header, fields=list(layout.fields), data=bytes(48), **sound)
            vars(message).update(changes)
            yield lambda message=message: decode(message)


def files(folder: Path) -> Iterator[Callable[[], object]]:
    """Cloud files and bags whose headers claim every size."""
    for size in _SIZES:
        for kind in ("binary", "ascii", "binary_compressed"):
            header = f"VERSION .7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nWIDTH {size}\nHEIGHT 1\nPOINTS {size}\nDATA {kind}\n"
            path = folder / f"{size}_{kind}.pcd"
            path.write_bytes(header.encode() + struct.pack("<II", 24, min(12 * size, 2**32 - 1)) + bytes(64))
            yield lambda path=path: read_cloud(path)
        for kind in ("binary_little_endian", "ascii"):
            path = folder / f"{size}_{kind}.ply"
            properties = "".join(f"property float {name}\n" for name in "xyz")
            path.write_bytes(
                f"ply\nformat {kind} 1.0\nelement vertex {size}\n{properties}end_header\n".encode() + bytes(64)
            )
            yield lambda path=path: read_cloud(path)
        for opcode in (5, 6, 1):  # message, chunk, header
            path = folder / f"{size}_{opcode}.mcap"
            path.write_bytes(
                b"\x89MCAP0\r\n"
                + bytes([1])
                + (8).to_bytes(8, "little")
                + bytes(8)
                + bytes([opcode])
                + (size * 64).to_bytes(8, "little")
                + bytes(64)
            )
            yield lambda path=path: _read(path)


def _read(path: Path) -> list[object]:
    with open_bag(path) as bag:
        return list(bag.messages())


def main(kind: str, folder: Path) -> None:
    """Print outcomes by name, how many files may be read as far as they go, and by how much memory grew."""
    calls = list(messages() if kind == "messages" else files(folder))
    outcomes, may_be_read = (
        Counter[str](),
        0 if kind == "messages" else 3 * len(_SIZES),
    )  # a cut MCAP is read up to there
    calls[-1]() if kind == "files" else None  # what a first read imports
    reset_peak()
    before_mb = peak_mb()
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + _SPARE, taken + _SPARE))
    for call in calls:
        try:
            call()
            outcomes["read"] += 1
        except Exception as error:  # what is counted
            outcomes[type(error).__name__] += 1
    print(json.dumps({"outcomes": outcomes, "may_be_read": may_be_read, "grown_mb": peak_mb() - before_mb}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
