"""Malformed PointCloud2 messages by the million: a valid one is built, then its header or bytes are damaged at random."""

import gc
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from lidar_vl_core.clouds.point_cloud2 import decode, encode
from lidar_vl_core.foundation.errors import BadPointCloud

NASTY_NUMBERS: tuple[Any, ...] = (
    *(0, 1, -1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 15, 16, 17, 255, 256, 65535, 65536, 10_000_000, 10_000_001),
    *(2**31 - 1, 2**31, -(2**31), 2**32 - 1, 2**32, 2**32 + 4, 2**63 - 1, 2**63, 2**64, 10**30),
    *(None, "4", b"4", 1.5, 4.0, float("nan"), True, [], np.uint32(2**32 - 1), np.int64(-1), np.uint8(200)),
)
_NASTY_NAMES: tuple[Any, ...] = ("x", "y", "intensity", "", "_", "ring", "X", "\0", "x" * 10_000, None, 3, b"x")
_TYPES = ("i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8")


@dataclass
class FuzzResult:
    """What became of the damaged messages."""

    outcomes: Counter[str] = field(default_factory=Counter)  # "read", "BadPointCloud", or the name of a wrong exception
    slowest_ms: float = 0.0  # CPU time of the slowest decode
    example: str = ""  # the first wrong exception

    @property
    def wrong(self) -> int:
        """Messages that ended in anything but points or BadPointCloud."""
        return sum(number for name, number in self.outcomes.items() if name not in ("read", "BadPointCloud"))


def fuzz(count: int, seed: int = 0) -> FuzzResult:
    """Decode `count` damaged messages; switches off the garbage collector of this process."""
    generator = random.Random(seed)
    templates = [_template(generator) for _ in range(64)]
    result = FuzzResult()
    gc.collect()
    gc.disable()  # the collector's pauses are not the decoder's; the caller is a process of its own
    for _ in range(count):
        message = _copy_of(generator.choice(templates))
        for _ in range(generator.choice((1, 1, 1, 2, 3, 5))):
            generator.choice(_DAMAGES)(message, generator)
        asked = generator.choice(((), (), ("ring",), ("time", "ring"), ("x",)))
        started = time.thread_time()
        outcome = _outcome(message, asked, result)
        result.slowest_ms = max(result.slowest_ms, (time.thread_time() - started) * 1e3)
        result.outcomes[outcome] += 1
    return result


def _outcome(message: SimpleNamespace, asked: tuple[str, ...], result: FuzzResult) -> str:
    try:
        cloud = decode(message, asked)
    except BadPointCloud:
        return "BadPointCloud"
    except Exception as error:  # what the count is about
        result.example = result.example or f"{type(error).__name__}: {error} from {str(vars(message))[:500]}"
        return type(error).__name__
    return "read" if len(cloud) == int(message.height) * int(message.width) else "wrong number of points"


def _template(generator: random.Random) -> SimpleNamespace:
    count = generator.choice((0, 1, 2, 3, 10, 64, 1000))
    names = ["x", "y", "z", *generator.sample(["intensity", "ring", "time", "i", "reflectivity", "_"], 3)]
    columns = {}
    for name in names:
        kind = generator.choice(("f4", "f4", "f4", *_TYPES)) if name in "xyz" else generator.choice(_TYPES)
        columns[name] = np.random.default_rng(generator.getrandbits(32)).integers(0, 100, count).astype(kind)
    layout = encode(columns, aligned=generator.random() < 0.5)
    height = generator.choice([h for h in (1, 2, 8) if count % h == 0])
    width = count // height
    stamp = SimpleNamespace(sec=1, nanosec=2)
    return SimpleNamespace(
        header=SimpleNamespace(stamp=stamp, frame_id="lidar"),
        height=height,
        width=width,
        fields=list(layout.fields),
        is_bigendian=generator.random() < 0.3,
        point_step=layout.point_step,
        row_step=width * layout.point_step,
        data=layout.data.tobytes(),
    )


def _copy_of(template: SimpleNamespace) -> SimpleNamespace:
    message = SimpleNamespace(**vars(template))
    message.fields = [SimpleNamespace(**vars(item)) for item in template.fields]
    return message


def _damage_number(message: SimpleNamespace, generator: random.Random) -> None:
    name = generator.choice(("height", "width", "point_step", "row_step", "is_bigendian"))
    setattr(message, name, generator.choice(NASTY_NUMBERS))


def _shift_number(message: SimpleNamespace, generator: random.Random) -> None:
    name = generator.choice(("height", "width", "point_step", "row_step"))
    value = getattr(message, name)
    if isinstance(value, int):
        setattr(message, name, value + generator.choice((-1, 1, 4, -4, 2**32, value)))


def _damage_field(message: SimpleNamespace, generator: random.Random) -> None:
    if isinstance(message.fields, list) and message.fields:
        item = generator.choice(message.fields)
        if isinstance(item, SimpleNamespace):
            setattr(item, generator.choice(("offset", "datatype", "count")), generator.choice(NASTY_NUMBERS))


def _rename_field(message: SimpleNamespace, generator: random.Random) -> None:
    if isinstance(message.fields, list) and message.fields:
        item = generator.choice(message.fields)
        if isinstance(item, SimpleNamespace):
            item.name = generator.choice(_NASTY_NAMES)


def _damage_list(message: SimpleNamespace, generator: random.Random) -> None:
    items = message.fields if isinstance(message.fields, list) else []
    kind = generator.randrange(7)
    if kind == 0 and items:
        items.append(generator.choice(items))
    elif kind == 1 and items:
        del items[generator.randrange(len(items))]
    elif kind == 2:
        message.fields = items * 300
    elif kind == 3:
        message.fields = generator.choice((None, (), "xyz", 4, [None], [4], {"x": 1}))
    elif kind == 4:
        generator.shuffle(items)
    elif kind == 5 and items:
        items[generator.randrange(len(items))] = SimpleNamespace(name="x")
    else:
        items.extend(SimpleNamespace(name=f"f{i}", offset=0, datatype=2, count=1) for i in range(250))


def _damage_bytes(message: SimpleNamespace, generator: random.Random) -> None:
    data = message.data if isinstance(message.data, bytes) else b""
    cut = generator.randrange(len(data) + 1)
    message.data = generator.choice(
        (
            data[:cut],
            data + bytes(generator.randrange(1, 40)),
            b"",
            np.frombuffer(data, np.uint8)[::2],
            np.frombuffer(data[: len(data) // 4 * 4], np.float32),
            np.array(5, np.uint8),
            np.frombuffer(data, np.uint8).reshape(1, -1),
            list(data[:8]),
            "text",
            None,
            bytearray(data),
            memoryview(data)[cut:],
            np.array([None, 1]),
        )
    )


def _noise(message: SimpleNamespace, generator: random.Random) -> None:
    if isinstance(message.data, bytes):
        message.data = generator.randbytes(len(message.data))


def _damage_stamp(message: SimpleNamespace, generator: random.Random) -> None:
    value = generator.choice(NASTY_NUMBERS)
    stamp = SimpleNamespace(sec=value, nanosec=generator.choice(NASTY_NUMBERS))
    message.header = generator.choice((None, 4, SimpleNamespace(), SimpleNamespace(stamp=stamp, frame_id=value)))


_DAMAGES: tuple[Callable[[SimpleNamespace, random.Random], None], ...] = (
    *(_damage_number,) * 3,
    *(_shift_number,) * 3,
    *(_damage_field,) * 4,
    *(_rename_field, _damage_list, _damage_bytes, _noise, _damage_stamp),
)
