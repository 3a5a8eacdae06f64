"""Messages of a file whose chunks overlap in time, in the order of their log times."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Protocol, TypeVar


@dataclass(frozen=True)
class StoredMessage:
    """One message and its place in the order of a file."""

    log_time_ns: int
    channel_id: int
    data: memoryview


class _Place(Protocol):
    @property
    def start_ns(self) -> int: ...

    @property
    def offset(self) -> int: ...


_AnyPlace = TypeVar("_AnyPlace", bound=_Place)


def by_time(
    places: Iterable[_AnyPlace], messages_in: Callable[[_AnyPlace], Iterable[StoredMessage]]
) -> Iterator[StoredMessage]:
    """Messages of all places by time; only places that overlap are in memory at once. Equal times keep the file's order."""
    pending: list[tuple[int, int, int, StoredMessage]] = []
    for place in sorted(places, key=lambda place: (place.start_ns, place.offset)):
        while pending and pending[0][0] < place.start_ns:
            yield heappop(pending)[3]
        for order, message in enumerate(messages_in(place)):
            heappush(pending, (message.log_time_ns, place.offset, order, message))
    while pending:
        yield heappop(pending)[3]
