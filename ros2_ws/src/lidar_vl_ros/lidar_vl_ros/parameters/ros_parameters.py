"""ROS parameters from a typed configuration: one place for name, type, default, range and description."""

import math
import types
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from lidar_vl_core.foundation.config import Config, validated
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.foundation.near_names import near_name
from lidar_vl_ros.parameters.fields import every_field, maps_of_names, put

ConfigT = TypeVar("ConfigT", bound=Config)


def declare(node: Node, settings: type[Config]) -> None:
    """Declare every field of `settings` as a parameter; wrong values are kept for `read` to refuse by name.

    Raises BadConfig for an unknown name: ROS would ignore it silently, and it can only be corrected where the node is
    started.
    """
    given = _overrides(node)
    fields = every_field(settings, given)
    unknown = [name for name in given if name not in fields and not _is_of_ros(node, name)]
    _refuse_names(settings, unknown, fields, f"parameters of {node.get_fully_qualified_name()}")
    for name, field in fields.items():
        node.declare_parameter(name, _ros_value(field.default), ParameterDescriptor(dynamic_typing=True))
        try:
            node.set_descriptor(name, _descriptor(field))
        except InvalidParameterValueException:
            continue  # outside its range: `read` says so with name, expected and found


def read(node: Node, settings: type[ConfigT]) -> ConfigT:
    """The node's parameters as a checked configuration. Raises BadConfig naming every wrong one."""
    return read_changed(node, settings, ())


def read_changed(node: Node, settings: type[ConfigT], changes: Sequence[Parameter]) -> ConfigT:
    """As `read`, with these changes applied."""
    fields = every_field(settings, _overrides(node))
    value = {name: node.get_parameter(name).value for name in fields}
    value |= {change.name: change.value for change in changes if change.name in value}
    content: dict[str, Any] = {}
    for name, field in fields.items():
        put(content, name, _plain(value[name], field))
    return validated(settings, content, f"parameters of {node.get_fully_qualified_name()}")


def usage(description: str, settings: type[Config]) -> str:
    """The `--help` text of a node."""
    lines = [description, "", "parameters, set by --ros-args -p NAME:=VALUE or --params-file FILE:"]
    fields = every_field(settings, [f"{name}.NAME." for name in maps_of_names(settings)])
    lines += [f"  {name:<30} {field.description} ({field.default!r})" for name, field in fields.items()]
    return "\n".join(lines) + "\n"


def check_change(settings: type[Config], changes: Sequence[Parameter], origin: str) -> SetParametersResult:
    """Check whether these parameters may be set, one by one."""
    fields = every_field(settings, [parameter.name for parameter in changes])
    for parameter in changes:
        field = fields.get(parameter.name)
        if field is None:
            continue
        if parameter.type_ == Parameter.Type.NOT_SET:
            reason = f"{parameter.name}: expected a value, found none. An empty list or text is a value, too."
            return SetParametersResult(successful=False, reason=reason)
        content: dict[str, Any] = {}
        put(content, parameter.name, _plain(parameter.value, field))
        try:
            validated(settings, content, origin)
        except BadConfig as error:
            return SetParametersResult(successful=False, reason=str(error))
    return SetParametersResult(successful=True)


def _overrides(node: Node) -> dict[str, Any]:
    """The parameters given when the node was started, declared or not; rclpy has no public name for them."""
    return {name: parameter.value for name, parameter in node._parameter_overrides.items()}


def _is_of_ros(node: Node, name: str) -> bool:
    """Whether a parameter is one that every node has, such as use_sim_time; asked before ours are declared."""
    return node.has_parameter(name) or name.startswith("qos_overrides.")


def _refuse_names(settings: type[Config], unknown: Iterable[str], known: Iterable[str], origin: str) -> None:
    """Raise BadConfig for unknown names, saying which one may have been meant."""
    retired: dict[str, str] = getattr(settings, "retired", {})
    known, maps, told = tuple(known), tuple(maps_of_names(settings)), []
    for name in sorted(unknown):
        of_names = next((each for each in maps if name == each or name.startswith(f"{each}.")), None)
        if name in retired:
            told.append(f"{name}: expected no parameter of this name, {retired[name]}")
        elif of_names is not None and name.count(".") < of_names.count(".") + 2:
            told.append(f"{name}: expected {of_names}.NAME.KEY")
        elif any(each.startswith(f"{name}.") for each in known):
            told.append(f"{name}: expected {name}.KEY")
        else:
            near = near_name(name, known)
            meant = "" if near is None else f" (did you mean {near}?)"
            told.append(f"{name}: expected a parameter of this node, found none of this name{meant}")
    if told:
        raise BadConfig(f"{origin}: {'; '.join(told)}. Correct the names and start the node again.")


def _plain(value: Any, field: FieldInfo) -> Any:  # noqa: ANN401
    """A parameter's value as plain JSON: arrays as lists, and an unset array as an empty list."""
    if get_origin(field.annotation) is tuple:
        return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value or []
    return _json(value)


def _json(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)  # JSON has no such number; as text it is refused by name
    return value if value is None or isinstance(value, bool | int | float | str) else list(value)


def _ros_value(default: Any) -> Any:  # noqa: ANN401
    return list(default) if isinstance(default, tuple) else default


def _descriptor(field: FieldInfo) -> ParameterDescriptor:
    # Dynamically typed: an integer given for a double is accepted, and any other wrong type is refused by name in
    # `check_change` and `read` where rclpy would end the process.
    descriptor = ParameterDescriptor(description=field.description or "", dynamic_typing=True)
    low, high = _bounds(field)
    if low is None or high is None:
        return descriptor
    if _is(field, float):
        descriptor.floating_point_range = [FloatingPointRange(from_value=float(low), to_value=float(high))]
    elif _is(field, int):
        descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high), step=1)]
    return descriptor


def _bounds(field: FieldInfo) -> tuple[float | None, float | None]:
    found: dict[str, float] = {}
    for rule in field.metadata:
        found |= {name: getattr(rule, name) for name in ("ge", "gt", "le", "lt") if hasattr(rule, name)}
    return found.get("ge", found.get("gt")), found.get("le", found.get("lt"))


def _is(field: FieldInfo, kind: type) -> bool:
    if get_origin(field.annotation) in (Union, types.UnionType):
        return kind in get_args(field.annotation)
    return field.annotation is kind
