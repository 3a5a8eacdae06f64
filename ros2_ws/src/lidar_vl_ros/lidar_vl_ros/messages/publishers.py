"""Who publishes on a topic, in words: for logs about topics on which nothing arrives."""

from rclpy.node import Node


def told_publishers(node: Node, topic: str, type_name: str) -> str:
    """The number of publishers on a topic; where some have another type than the one that is listened for, which."""
    types = [each.topic_type for each in node.get_publishers_info_by_topic(topic)]
    others = sorted({each for each in types if each != type_name})
    if not others:
        return f"{len(types)} publishers"
    return f"{types.count(type_name)} publishers of {type_name}, but {len(types) - types.count(type_name)} of {', '.join(others)}"
