"""What the fields of a point cloud are called: one place for messages and files of every driver and program."""

from collections.abc import Iterable

# First found wins. Ouster's `reflectivity` is calibrated, 0..255, and stands before the raw signal, its `intensity`.
_INTENSITY = (
    "reflectivity", "intensity", "intensities", "i", "reflectance", "remission", "remissions", "amplitude", "signal",
)  # fmt: skip
_COLOUR_TRIPLES = (("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue"))
_PACKED_COLOURS = ("rgb", "rgba")
# When each point was measured. Velodyne: time; Ouster: t; Hesai, Robosense, Livox: timestamp or offset_time; Autoware: time_stamp;
# KISS-ICP reads stamps too.
TIME_NAMES = ("time", "t", "timestamp", "time_stamp", "offset_time", "stamps")


def position_names(names: Iterable[str]) -> tuple[str, str, str] | None:
    """The names of x, y and z as they are written among `names`; None unless all three are there."""
    return _triple(_by_plain_name(names), ("x", "y", "z"))


def intensity_name(names: Iterable[str]) -> str | None:
    """The name, as written among `names`, of the field to take as intensity; None where there is none."""
    plain = _by_plain_name(names)
    return next((plain[name] for name in _INTENSITY if name in plain), None)


def time_name(names: Iterable[str]) -> str | None:
    """The name, as written among `names`, of the field with the time of each point; None where there is none."""
    plain = _by_plain_name(names)
    return next((plain[name] for name in TIME_NAMES if name in plain), None)


def colour_names(names: Iterable[str]) -> tuple[str, ...]:
    """The names of red, green and blue as written among `names`, or the one of a packed colour; () where there is none."""
    plain = _by_plain_name(names)
    triples = (_triple(plain, triple) for triple in _COLOUR_TRIPLES)
    packed = ((plain[name],) for name in _PACKED_COLOURS if name in plain)
    return next((found for found in (*triples, *packed) if found), ())


def _by_plain_name(names: Iterable[str]) -> dict[str, str]:
    """Lower-case name without CloudCompare's `scalar_` -> name as written; a name that is plain already goes first."""
    plain: dict[str, str] = {}
    for name in names:
        key = name.strip().lower().removeprefix("scalar_")
        if key not in plain or name == key:
            plain[key] = name
    return plain


def _triple(plain: dict[str, str], names: tuple[str, str, str]) -> tuple[str, str, str] | None:
    return (plain[names[0]], plain[names[1]], plain[names[2]]) if all(name in plain for name in names) else None
