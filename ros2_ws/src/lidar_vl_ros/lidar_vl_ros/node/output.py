"""What a node publishes for each answered cloud: the interface of all modules of `outputs`."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from rclpy.lifecycle import LifecycleNode

from lidar_vl_ros.node.publishing import offer, publish

AnswerT = TypeVar("AnswerT")
AnswerT_contra = TypeVar("AnswerT_contra", contravariant=True)


class Output(Protocol[AnswerT_contra]):
    """Created when the node is configured, closed when it is cleaned up."""

    def wanted(self) -> bool:
        """Whether it has a subscriber; clouds are not processed while no output has one."""

    def publish(self, answer: AnswerT_contra) -> None:
        """Publish the answer for a cloud; called from the worker."""

    def needs_images(self) -> bool:
        """Whether clouds should wait for their images for the sake of this output."""

    def close(self) -> None:
        """Release publishers, threads and subscriptions."""


class Outputs:
    """All outputs of a node while it is configured."""

    def __init__(self) -> None:
        self._outputs: tuple[Output[Any], ...] = ()

    def open(self, outputs: Iterable[Output[Any]]) -> None:
        """Add outputs one by one as they are created, so that `close` reaches those before one that refuses its settings."""
        for output in outputs:
            self._outputs = (*self._outputs, output)

    def wanted(self) -> bool:
        """Whether any of them has a subscriber."""
        return any(output.wanted() for output in self._outputs)

    def publish(self, answer: Any) -> None:  # noqa: ANN401  whatever the node's outputs tell
        """Publish the answer for a cloud on all of them, from the worker."""
        for output in self._outputs:
            output.publish(answer)

    def needs_images(self) -> bool:
        """Whether any of them needs images now."""
        return any(output.needs_images() for output in self._outputs)

    def close(self) -> None:
        """Close all outputs."""
        outputs, self._outputs = self._outputs, ()
        for output in outputs:
            output.close()


class TopicOutput(ABC, Generic[AnswerT]):
    """One message per cloud on one topic, made only while it has a subscriber; a subclass names topic and type, and makes it."""

    topic: ClassVar[str]
    message_type: ClassVar[type]

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._publisher = offer(node, self.topic, self.message_type)

    @abstractmethod
    def message(self, answer: AnswerT) -> Any:  # noqa: ANN401  of message_type
        """The message for an answer."""

    def wanted(self) -> bool:
        """Whether the topic has a subscriber."""
        return self._publisher.get_subscription_count() > 0

    def publish(self, answer: AnswerT) -> None:
        """Make the message and publish it, if it is wanted."""
        if self.wanted():
            publish(self._node, self._publisher, self.message(answer))

    def needs_images(self) -> bool:
        """No: the answer alone is enough."""
        return False

    def close(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_lifecycle_publisher(self._publisher)
