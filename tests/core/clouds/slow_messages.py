"""PointCloud2 messages written byte by byte, in every layout that drivers send."""

from types import SimpleNamespace

import numpy as np

DATATYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}


def message_of(columns, endian="<", layout="packed", **changes):
    """A PointCloud2 written point by point with struct-like care: the slow reference of the encoder."""
    names = list(columns)
    if layout == "odd order, organised":
        names = names[::-1]
    align = layout == "aligned"
    fields, offset = [], 3 if layout == "padded rows" else 0
    for name in names:
        dtype = np.asarray(columns[name]).dtype
        offset += -offset % dtype.itemsize if align else 0
        datatype = next(number for number, code in DATATYPES.items() if np.dtype(code) == dtype)
        fields.append(SimpleNamespace(name=name, offset=offset, datatype=datatype, count=1))
        offset += dtype.itemsize
    point_step = offset + 5
    count = len(columns[names[0]])
    height = 3 if layout == "odd order, organised" and count % 3 == 0 else 1
    width = count // height
    row_step = width * point_step + (7 if layout in ("padded rows", "odd order, organised") else 0)
    data = bytearray(b"\xaa" * (row_step * height))
    for index in range(count):
        start = (index // width) * row_step + (index % width) * point_step
        for field in fields:
            raw = np.array(columns[field.name][index], f"{endian}{DATATYPES[field.datatype]}").tobytes()
            data[start + field.offset : start + field.offset + len(raw)] = raw
    header = SimpleNamespace(stamp=SimpleNamespace(sec=12, nanosec=345), frame_id="lidar_top")
    message = SimpleNamespace(
        header=header, height=height, width=width, fields=fields, is_bigendian=endian == ">",
        point_step=point_step, row_step=row_step, data=bytes(data), is_dense=True,
    )  # fmt: skip
    vars(message).update(changes)
    return message


def sample_columns(code="f4", count=12, seed=0):
    generator = np.random.default_rng(seed)
    low = 0 if code.startswith("u") else -100
    return {name: generator.integers(low, 100, count).astype(code) for name in ("x", "y", "z", "tag")}
