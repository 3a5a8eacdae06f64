"""What a node tells of each cloud it has answered: the shape that all modules of `outputs` have."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from rclpy.lifecycle import LifecycleNode

from lidar_vl_ros.node.publishing import offer, publish

AnswerT = TypeVar("AnswerT")
AnswerT_contra = TypeVar("AnswerT_contra", contravariant=True)


class Output(Protocol[AnswerT_contra]):
    """Made when the node is configured, closed when it is cleaned up."""

    def wanted(self) -> bool:
        """Whether somebody listens; where nobody does on any output, a cloud is not answered."""

    def publish(self, answer: AnswerT_contra) -> None:
        """Tell of an answered cloud; called from the worker."""

    def needs_images(self) -> bool:
        """Whether a cloud is to wait for its images so that this output has them."""

    def close(self) -> None:
        """Give back publishers, threads and subscriptions."""


class Outputs:
    """All outputs of a node while it is configured."""

    def __init__(self) -> None:
        self._outputs: tuple[Output[Any], ...] = ()

    def open(self, outputs: Iterable[Output[Any]]) -> None:
        """Take them over one by one as they are made, so that `close` reaches those before one that refuses its settings."""
        for output in outputs:
            self._outputs = (*self._outputs, output)

    def wanted(self) -> bool:
        """Whether anybody listens to any of them."""
        return any(output.wanted() for output in self._outputs)

    def publish(self, answer: Any) -> None:  # noqa: ANN401  whatever the node's outputs tell
        """Tell of an answered cloud on all of them, from the worker."""
        for output in self._outputs:
            output.publish(answer)

    def needs_images(self) -> bool:
        """Whether any of them has a use for images now."""
        return any(output.needs_images() for output in self._outputs)

    def close(self) -> None:
        """Withdraw them all."""
        outputs, self._outputs = self._outputs, ()
        for output in outputs:
            output.close()


class TopicOutput(ABC, Generic[AnswerT]):
    """One message a cloud on one topic, made only while somebody listens; a child names both and makes the message."""

    topic: ClassVar[str]
    message_type: ClassVar[type]

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._publisher = offer(node, self.topic, self.message_type)

    @abstractmethod
    def message(self, answer: AnswerT) -> Any:  # noqa: ANN401  of message_type
        """What is told of an answer."""

    def wanted(self) -> bool:
        """Whether the topic has a subscriber."""
        return self._publisher.get_subscription_count() > 0

    def publish(self, answer: AnswerT) -> None:
        """Make the message and publish it, where it is wanted."""
        if self.wanted():
            publish(self._node, self._publisher, self.message(answer))

    def needs_images(self) -> bool:
        """It is made of the answer alone."""
        return False

    def close(self) -> None:
        """Withdraw the topic."""
        self._node.destroy_lifecycle_publisher(self._publisher)
