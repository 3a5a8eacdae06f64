"""TransformTree: named frames, their transforms over time, and the pose between any two of them at a stamp.

Unlike a default that hides a fault, a lookup here answers what was measured, or raises; it never returns an identity
for a transform it does not have, and never extrapolates.
"""

from bisect import bisect_left
from dataclasses import dataclass, field

import numpy as np

from lidar_vl_core.foundation.errors import BadTransform
from lidar_vl_core.foundation.stamps import nanoseconds, sec_and_nanosec
from lidar_vl_core.geometry.rigid_transform import RigidTransform, interpolate

_LARGEST_BUFFER = 20_000  # samples an edge keeps whatever their stamps: 10 s at 2 kHz
_MOST_FRAMES = 5_000  # of all vehicles that share a topic
_SAME_TRANSFORM = 1e-6  # a static transform repeated on /tf comes back with the rounding of its sender


class TransformToCome(BadTransform):
    """A moving transform is known, but not yet for this late a time: it may still come."""


@dataclass
class _Edge:
    """T_parent_child over time; a static edge has one transform and no stamps."""

    parent: str
    transforms: list[RigidTransform] = field(default_factory=list)
    stamps_ns: list[int] | None = None  # sorted, one per transform; None = static


class TransformTree:
    """Transforms as received on /tf and /tf_static. Samples may come late, twice or out of order. Not thread-safe."""

    def __init__(self, history_s: float | None = 10.0) -> None:
        """history_s: how far back from an edge's newest sample its samples are kept; None keeps all (recordings)."""
        self._history_ns = None if history_s is None else nanoseconds(history_s)
        self._edge_above: dict[str, _Edge] = {}  # child -> edge to its parent
        self._parents: set[str] = set()

    @property
    def frames(self) -> tuple[str, ...]:
        """Names of all known frames, sorted."""
        return tuple(sorted({*self._edge_above, *self._parents}))

    def add(self, parent: str, child: str, stamp_ns: int | None, T_parent_child: RigidTransform) -> None:
        """Take over one transform; stamp_ns None = static, true at all times.

        An equal stamp replaces its sample. A sample older than the kept history means that the clock was set back (a
        recording loops): its edge begins anew. Raises BadTransform, and keeps what it had, when the frame would get two
        parents, a loop would close, an edge would be static and moving at once, or there are too many frames.
        """
        parent, child = _name(parent), _name(child)
        edge = self._edge_above.get(child)
        if edge is None:
            if len(self._edge_above) >= _MOST_FRAMES:
                raise BadTransform(
                    f"expected at most {_MOST_FRAMES} frames, found more. Name frames once and for all, not anew in each message."
                )
            self._require_no_loop(parent, child)
            stamps_ns = None if stamp_ns is None else [stamp_ns]
            self._edge_above[child] = _Edge(parent, [T_parent_child], stamps_ns)
            self._parents.add(parent)
            return
        if edge.parent != parent:
            raise BadTransform(
                f"frame {child}: expected the parent {edge.parent}, found a transform from {parent}. "
                "Two nodes publish this frame: stop one of them."
            )
        if (stamp_ns is None) != (edge.stamps_ns is None):
            self._require_unmoved(edge, child, T_parent_child)
            self._edge_above[child] = _Edge(parent, [T_parent_child])
        elif stamp_ns is None or edge.stamps_ns is None:
            edge.transforms[0] = T_parent_child
        else:
            self._insert(edge, edge.stamps_ns, stamp_ns, T_parent_child)

    def lookup(self, target: str, source: str, stamp_ns: int) -> RigidTransform:
        """T_target_source at a time, interpolated between samples.

        Raises BadTransform for an unknown frame, frames of separate trees, and times before or without samples, and
        TransformToCome for times after them.
        """
        target, source = _name(target), _name(source)
        target_chain, source_chain = self._chain(target), self._chain(source)
        common = next((frame for frame in target_chain if frame in source_chain), None)
        if common is None:
            raise BadTransform(
                f"expected a connection between {target} and {source}, found separate trees below "
                f"{target_chain[-1]} and {source_chain[-1]}. Publish the transform that joins them."
            )
        return self._up(target, common, stamp_ns).inverse() @ self._up(source, common, stamp_ns)

    def lookup_between(
        self, target: str, target_stamp_ns: int, source: str, source_stamp_ns: int, fixed_frame: str
    ) -> RigidTransform:
        """T_target_source from the source at its time to the target at its own, through a frame that does not move.

        This is how a LiDAR sweep gets into an image taken some milliseconds before, on a moving vehicle.
        """
        T_target_fixed = self.lookup(target, fixed_frame, target_stamp_ns)
        return T_target_fixed @ self.lookup(fixed_frame, source, source_stamp_ns)

    def is_static(self, child: str) -> bool:
        """Whether the known frame never moves in its parent. Raises BadTransform for no name."""
        return self._edge_above[_name(child)].stamps_ns is None

    def begins_anew(self, child: str, stamp_ns: int) -> bool:
        """Whether a sample of this time is older than the kept history of its edge: the clock was set back.

        Raises BadTransform for no name.
        """
        edge = self._edge_above.get(_name(child))
        if edge is None or not edge.stamps_ns or self._history_ns is None:
            return False
        return stamp_ns < edge.stamps_ns[-1] - self._history_ns

    def _insert(self, edge: _Edge, stamps_ns: list[int], stamp_ns: int, T_parent_child: RigidTransform) -> None:
        if self._history_ns is not None and stamp_ns < stamps_ns[-1] - self._history_ns:
            stamps_ns[:], edge.transforms[:] = [stamp_ns], [T_parent_child]
            return
        position = bisect_left(stamps_ns, stamp_ns)
        if position < len(stamps_ns) and stamps_ns[position] == stamp_ns:
            edge.transforms[position] = T_parent_child
            return
        stamps_ns.insert(position, stamp_ns)
        edge.transforms.insert(position, T_parent_child)
        if self._history_ns is not None:
            too_old = bisect_left(stamps_ns, stamps_ns[-1] - self._history_ns)
            too_old = max(too_old, len(stamps_ns) - _LARGEST_BUFFER)
            del stamps_ns[:too_old], edge.transforms[:too_old]

    def _chain(self, frame: str) -> list[str]:
        """The frame and all above it, up to its root."""
        if frame not in self._edge_above and frame not in self._parents:
            known = ", ".join(self.frames) or "none yet"
            raise BadTransform(
                f"no transform to or from frame {frame!r} (known: {known}). Publish it on /tf or /tf_static."
            )
        chain = [frame]
        while (edge := self._edge_above.get(chain[-1])) is not None:
            chain.append(edge.parent)
        return chain

    def _up(self, frame: str, ancestor: str, stamp_ns: int) -> RigidTransform:
        """T_ancestor_frame."""
        T_here_frame = RigidTransform.identity()  # here = frame: the one identity that is true
        here = frame
        while here != ancestor:
            edge = self._edge_above[here]
            T_here_frame = _at(edge, here, stamp_ns) @ T_here_frame
            here = edge.parent
        return T_here_frame

    def _require_no_loop(self, parent: str, child: str) -> None:
        if child != parent and child not in self._parents:
            return  # nothing is below it
        above = [parent]
        while (edge := self._edge_above.get(above[-1])) is not None and above[-1] != child:
            above.append(edge.parent)
        if child in above:
            raise BadTransform(
                f"expected a tree of frames, found the loop {' -> '.join([child, *above[: above.index(child) + 1]])}. "
                "Stop the node that publishes one of these transforms."
            )

    def _require_unmoved(self, edge: _Edge, child: str, T_parent_child: RigidTransform) -> None:
        if not all(are_same(kept, T_parent_child) for kept in edge.transforms):
            raise BadTransform(
                f"transform {edge.parent} -> {child}: expected it either static or moving, found different values on "
                "/tf and /tf_static. Stop one of the two nodes that publish it."
            )


def _at(edge: _Edge, child: str, stamp_ns: int) -> RigidTransform:
    if edge.stamps_ns is None:
        return edge.transforms[0]
    position = bisect_left(edge.stamps_ns, stamp_ns)
    if position < len(edge.stamps_ns) and edge.stamps_ns[position] == stamp_ns:
        return edge.transforms[position]
    first_ns, last_ns = edge.stamps_ns[0], edge.stamps_ns[-1]
    if position in (0, len(edge.stamps_ns)):
        apart_s = (first_ns - stamp_ns if position == 0 else stamp_ns - last_ns) * 1e-9
        kind = BadTransform if position == 0 else TransformToCome
        raise kind(
            f"transform {edge.parent} -> {child}: expected samples around {_seconds(stamp_ns)}, found them from "
            f"{_seconds(first_ns)} to {_seconds(last_ns)}, {apart_s:.3f} s {'later' if position == 0 else 'earlier'}. "
            "It is not extrapolated: wait for newer transforms, or check the clocks."
        )
    before_ns, after_ns = edge.stamps_ns[position - 1], edge.stamps_ns[position]
    fraction = (stamp_ns - before_ns) / (after_ns - before_ns)
    return interpolate(edge.transforms[position - 1], edge.transforms[position], fraction)


def are_same(a: RigidTransform, b: RigidTransform) -> bool:
    """Whether two transforms differ by rounding alone."""
    return bool(np.abs(a.matrix() - b.matrix()).max() <= _SAME_TRANSFORM)


def _name(frame: str) -> str:
    name = frame.removeprefix("/")  # ROS 1 wrote a leading slash; converted recordings still do
    if not name:
        raise BadTransform(
            "expected the name of a frame, found an empty one. Set frame_id in the node that publishes the message."
        )
    return name


def _seconds(stamp_ns: int) -> str:
    sec, nanosec = sec_and_nanosec(stamp_ns)
    return f"{sec}.{nanosec:09d} s"
