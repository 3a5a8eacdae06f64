"""Arguments of launch files that set parameters of a node: those that were given, and no others."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lidar_vl_ros.launching.parameter_files import LaunchRefused, flat
from lidar_vl_ros.launching.ros_yaml import read_ros_yaml

Reading = Callable[[str, str], Any]  # name and text of an argument -> value; raises LaunchRefused


def text(_name: str, given: str) -> str:
    """The text unchanged."""
    return given


def flag(name: str, given: str) -> bool:
    """Parse true or false. Raises LaunchRefused for anything else."""
    known = {"true": True, "1": True, "false": False, "0": False}
    if given.lower() not in known:
        raise LaunchRefused(f"{name}:={given}: expected true or false.")
    return known[given.lower()]


def words(name: str, given: str) -> list[str]:
    """Parse a YAML list of texts. Raises LaunchRefused for anything else."""
    found = _yaml(name, given)
    if not isinstance(found, list) or not all(isinstance(word, str) for word in found):
        raise LaunchRefused(f"{name}:={given}: expected a list of texts, such as \"['excavator', 'fallen tree']\".")
    if not found:
        raise LaunchRefused(
            f"{name}:=[]: expected at least one entry, as ROS treats an empty list as unset. Leave it out, here and in params_file."
        )
    return found


def cameras(name: str, given: str) -> dict[str, dict[str, Any]]:
    """Parse camera names with topics, or with any parameters of a camera, as YAML.

    Raises LaunchRefused for anything else.
    """
    found = _yaml(name, given)
    if not isinstance(found, dict) or not all(isinstance(camera, str | dict) for camera in found.values()):
        raise LaunchRefused(
            f'{name}:={given}: expected camera names with topics, such as "{{front: /camera/front/image_raw}}", or with '
            'parameters, such as "{front: {topic: /camera/front/image_raw, tolerance_s: 0.03}}".'
        )
    return {key: {"topic": camera} if isinstance(camera, str) else camera for key, camera in found.items()}


@dataclass(frozen=True)
class NodeArgument:
    """A launch argument that sets a parameter, or with a mapping those below it; it overrides params_file."""

    name: str
    description: str
    read: Reading = text
    parameter: str = ""  # empty: of the same name
    otherwise: str = ""  # what the node takes where neither the argument nor params_file says anything

    @property
    def sets(self) -> str:
        """Name of the parameter."""
        return self.parameter or self.name


def given_parameters(arguments: tuple[NodeArgument, ...], told: Mapping[str, str]) -> dict[str, Any]:
    """Parameters by dotted name, from all arguments that are not empty. Raises LaunchRefused for one that cannot be parsed."""
    read = {
        argument.sets: argument.read(argument.name, told[argument.name])
        for argument in arguments
        if told[argument.name]
    }
    return flat(read)


def misspelt(told: Iterable[str], known: Iterable[str]) -> list[str]:
    """A line for each argument that no launch file of ours declares, but that resembles one.

    Not refused: an argument may be of the launch file that includes ours.
    """
    names = list(known)
    near = {name: difflib.get_close_matches(name, names, n=1, cutoff=0.7) for name in told if name not in names}
    return [
        f"{name}:= is no argument of this launch file and changes nothing here: did you mean {meant[0]}:=?"
        for name, meant in near.items()
        if meant
    ]


def _yaml(name: str, given: str) -> Any:  # noqa: ANN401
    try:
        return read_ros_yaml(given)
    except ValueError as error:
        raise LaunchRefused(f"{name}:={given}: {error}.") from error
