"""What a recording says of its topics: the definition of their type, and how they were offered."""

from lidar_vl_core.foundation.message_types import message_types

_LATCHED = ("tf_static", "robot_description", "label_info")  # topics of these names, in whichever namespace


def is_latched(topic: str) -> bool:
    """Whether late subscribers get the last message; rosbag2 publishes it that way again when it plays the bag."""
    return topic.rpartition("/")[2] in _LATCHED


def definition_and_hash(type_name: str) -> tuple[str, str]:
    """The type's definition and hash as rosbag2 stores them; empty for a type that is not known here."""
    if type_name not in message_types().types:
        return "", ""
    return message_types().generate_msgdef(type_name, ros_version=2)[0], message_types().hash_rihs01(type_name)


def qos_yaml(topic: str) -> str:
    """The QoS to play the topic with; empty where rosbag2's default will do."""
    never = "{sec: 9223372036, nsec: 854775807}"  # RMW_DURATION_INFINITE
    return (
        "- history: keep_last\n  depth: 1\n  reliability: reliable\n  durability: transient_local\n"
        f"  deadline: {never}\n  lifespan: {never}\n  liveliness: automatic\n"
        f"  liveliness_lease_duration: {never}\n  avoid_ros_namespace_conventions: false\n"
        if is_latched(topic)
        else ""
    )
