"""Cloud files of each kind, byte by byte, with the headers that somebody wants."""

import io
import warnings
import zipfile

import numpy as np

DIGITS = "9" * 5000


def pcd(body=b"", **lines):
    fields = {
        "VERSION": ".7", "FIELDS": "x y z", "SIZE": "4 4 4", "TYPE": "F F F", "COUNT": "1 1 1", "WIDTH": "2",
        "HEIGHT": "1", "POINTS": "2", "DATA": "ascii",
    } | lines  # fmt: skip
    return "".join(f"{name} {value}\n" for name, value in fields.items()).encode() + body


def compressed(points, packed, unpacked, **lines):
    sizes = np.array([packed, unpacked], "<u4").tobytes()
    return pcd(sizes + b"\0" * packed, WIDTH=points, POINTS=points, DATA="binary_compressed", **lines)


def ply(body=b"", *, encoding="ascii", vertices="element vertex 2", properties="x y z"):
    named = "".join(f"property float {name}\n" for name in properties.split())
    return f"ply\nformat {encoding} 1.0\n{vertices}\n{named}end_header\n".encode() + body


def npy(header, body=b"", version=1):
    """An .npy whose header is these words."""
    words = header.encode() + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + len(words).to_bytes(2 if version == 1 else 4, "little") + words + body


def described(shape, descr="'<f4'", order="False"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}}}"


def npz(members, kind=zipfile.ZIP_DEFLATED):
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", kind) as archive:
        warnings.simplefilter("ignore")  # of names that come twice
        for name, content in members:
            archive.writestr(f"{name}.npy", content)
    return stream.getvalue()


def saved(**arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


XYZ = npy(described("(4, 3)"), bytes(48))
