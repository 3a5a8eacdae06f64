"""Arguments of launch files that set parameters of a node: those that were given, and no others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from lidar_vl_ros.launching.parameter_files import LaunchRefused, flat

Reading = Callable[[str, str], Any]  # name and text of an argument -> value; raises LaunchRefused


def text(_name: str, given: str) -> str:
    """As it stands."""
    return given


def flag(name: str, given: str) -> bool:
    """true or false."""
    known = {"true": True, "1": True, "false": False, "0": False}
    if given.lower() not in known:
        raise LaunchRefused(f"{name}:={given}: expected true or false. Correct it.")
    return known[given.lower()]


def words(name: str, given: str) -> list[str]:
    """A list of texts as YAML."""
    found = _yaml(name, given)
    if not isinstance(found, list) or not all(isinstance(word, str) for word in found):
        raise LaunchRefused(f"{name}:={given}: expected a list of texts, as \"['excavator', 'fallen tree']\".")
    if not found:
        raise LaunchRefused(
            f"{name}:=[]: expected at least one, as an empty list is none to ROS. Leave it out, here and in params_file."
        )
    return found


def cameras(name: str, given: str) -> dict[str, dict[str, Any]]:
    """Names with topics, or with whatever parameters a camera has, as YAML."""
    found = _yaml(name, given)
    if not isinstance(found, dict) or not all(isinstance(camera, str | dict) for camera in found.values()):
        raise LaunchRefused(
            f'{name}:={given}: expected names with topics, as "{{front: /camera/front/image_raw}}", or with '
            'parameters, as "{front: {topic: /camera/front/image_raw, tolerance_s: 0.03}}".'
        )
    return {key: {"topic": camera} if isinstance(camera, str) else camera for key, camera in found.items()}


@dataclass(frozen=True)
class NodeArgument:
    """An argument that sets a parameter, or with a mapping those below it, in place of what params_file says."""

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
    """By dotted name, of the arguments that are told and not empty. Raises LaunchRefused for one that cannot be read."""
    read = {
        argument.sets: argument.read(argument.name, told[argument.name])
        for argument in arguments
        if told[argument.name]
    }
    return flat(read)


def _yaml(name: str, given: str) -> Any:  # noqa: ANN401
    try:
        return yaml.safe_load(given)
    except yaml.YAMLError as error:
        raise LaunchRefused(f"{name}:={given}: expected YAML, found: {' '.join(str(error).split())}.") from error
