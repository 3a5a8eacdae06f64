"""The transforms on the tf topics of a recording or a running system: one tree, and the frame in it that does not move."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from lidar_vl_core.foundation.errors import BadTransform
from lidar_vl_core.foundation.stamps import stamp_ns
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.geometry.transform_tree import TransformTree, are_same

_STILL_FRAMES = ("odom", "map", "world", "earth")  # REP 105; odom first, because it never jumps


@dataclass(frozen=True)
class RefusedTransform:
    """A transform that was left out, and why."""

    parent: str
    child: str
    reason: str

    def __str__(self) -> str:
        return f"transform {self.parent} -> {self.child} is left out: {self.reason}"


class FrameTransforms:
    """Transforms seen on /tf and /tf_static."""

    def __init__(self, tree: TransformTree) -> None:
        """tree: an empty one, which takes what is seen."""
        self.tree = tree
        self.moving: dict[str, bool] = {}  # child frame -> whether it came on /tf
        self.restated: set[str] = set()  # child frames whose static transform came again with another value
        self._static: dict[str, RigidTransform] = {}
        self._parent: dict[str, str] = {}

    def add(self, message: Any, static: bool) -> list[RefusedTransform]:  # noqa: ANN401  a tf2_msgs/TFMessage of any library
        """Add one TFMessage; invalid transforms are left out, as in tf2, and returned with the reason."""
        refused = []
        for stamped in message.transforms:
            parent, child = _frame(stamped.header.frame_id), _frame(stamped.child_frame_id)
            try:
                self._add_one(parent, child, stamped, static)
            except BadTransform as error:
                refused.append(RefusedTransform(parent, child, str(error)))
        return refused

    def add_odometry(self, message: Any) -> list[RefusedTransform]:  # noqa: ANN401  a nav_msgs/Odometry of any library
        """Take over one pose as a moving transform from its frame to its child frame; returned, with the reason, if it is invalid."""
        pose = message.pose.pose
        transform = SimpleNamespace(translation=pose.position, rotation=pose.orientation)
        stamped = SimpleNamespace(header=message.header, child_frame_id=message.child_frame_id, transform=transform)
        return self.add(SimpleNamespace(transforms=[stamped]), static=False)

    def T_cam_lidar(
        self, camera_frame: str, camera_stamp_ns: int, lidar_frame: str, lidar_stamp_ns: int
    ) -> RigidTransform:
        """Where the LiDAR's points of its own stamp lie for a camera at the camera's own stamp.

        Raises BadTransform when nobody said so; never guesses.
        """
        camera_frame, lidar_frame = _frame(camera_frame), _frame(lidar_frame)
        fixed_frame = self.fixed_frame(lidar_frame)
        if fixed_frame is None:
            return self.tree.lookup(camera_frame, lidar_frame, camera_stamp_ns)
        return self.tree.lookup_between(camera_frame, camera_stamp_ns, lidar_frame, lidar_stamp_ns, fixed_frame)

    def T_unmoved_cam_lidar(self, camera_frame: str, lidar_frame: str) -> RigidTransform:
        """Where the LiDAR's points lie for a camera, as if nothing had moved between their stamps: by transforms that never change.

        Raises BadTransform where a moving one lies between the two.
        """
        camera_frame, lidar_frame = _frame(camera_frame), _frame(lidar_frame)
        above_camera, above_lidar = self._chain(camera_frame), self._chain(lidar_frame)
        joint = next((frame for frame in above_camera if frame in above_lidar), None)
        if joint is not None:
            between = above_camera[: above_camera.index(joint)] + above_lidar[: above_lidar.index(joint)]
            if moving := [f"{self._parent[frame]} -> {frame}" for frame in between if not self.tree.is_static(frame)]:
                raise BadTransform(
                    f"expected transforms between {camera_frame} and {lidar_frame} that never change, found {', '.join(moving)} on /tf."
                )
        return self.tree.lookup(camera_frame, lidar_frame, 0)

    def T_moved_cam_lidar(
        self, camera_frame: str, camera_stamp_ns: int, lidar_frame: str, lidar_stamp_ns: int
    ) -> RigidTransform:
        """As T_cam_lidar for stamps that lie apart: raises BadTransform as T_now_then where the motion between them is not told."""
        camera_frame, lidar_frame = _frame(camera_frame), _frame(lidar_frame)
        fixed_frame = self._told_fixed_frame(lidar_frame)
        return self.tree.lookup_between(camera_frame, camera_stamp_ns, lidar_frame, lidar_stamp_ns, fixed_frame)

    def T_now_then(self, frame: str, now_ns: int, then_ns: int) -> RigidTransform:
        """How points that were seen in a frame at one time lie in that frame at another, through a frame that does not move.

        Raises BadTransform where nothing above the frame is told to move, as a vehicle of which nobody says so may have
        moved all the same, and where the motion is not known at both times.
        """
        frame = _frame(frame)
        return self.tree.lookup_between(frame, now_ns, frame, then_ns, self._told_fixed_frame(frame))

    def moves(self, frame: str) -> bool:
        """Whether the motion of the frame is known."""
        return self.fixed_frame(_frame(frame)) is not None

    def fixed_frame(self, frame: str) -> str | None:
        """The frame above `frame` that does not move with the vehicle; None where nothing above it moves."""
        above, moves = [], False
        while frame in self._parent and frame not in above:
            above.append(frame)
            moves = moves or self.moving[frame]
            frame = self._parent[frame]
        above.append(frame)
        if not moves:
            return None
        return next((name for name in _STILL_FRAMES if name in above), above[-1])

    def are_connected(self, frame: str, other: str) -> bool:
        """Whether transforms lead from one frame to the other, whatever their times."""
        return self._root(_frame(frame)) == self._root(_frame(other))

    def edges(self) -> list[tuple[str, str, bool]]:
        """(parent, child, moving) of every transform, by name."""
        return sorted((parent, child, self.moving[child]) for child, parent in self._parent.items())

    def _told_fixed_frame(self, frame: str) -> str:
        fixed_frame = self.fixed_frame(frame)
        if fixed_frame is None:
            known = ", ".join(f"{parent} -> {child}" for parent, child, _ in self.edges()) or "none"
            raise BadTransform(
                f"motion of {frame}: expected a moving transform above it, as from odom to base_link, found {known}. "
                "Publish it on /tf, or give an odometry topic."
            )
        return fixed_frame

    def _root(self, frame: str) -> str:
        return self._chain(frame)[-1]

    def _chain(self, frame: str) -> list[str]:
        """The frame and all above it; the tree refused what would close a loop."""
        chain = [frame]
        while chain[-1] in self._parent:
            chain.append(self._parent[chain[-1]])
        return chain

    def _add_one(self, parent: str, child: str, stamped: Any, static: bool) -> None:  # noqa: ANN401
        rotation, translation = stamped.transform.rotation, stamped.transform.translation
        T_parent_child = RigidTransform.from_quaternion(
            (rotation.x, rotation.y, rotation.z, rotation.w), (translation.x, translation.y, translation.z)
        )
        self.tree.add(parent, child, None if static else stamp_ns(stamped.header.stamp), T_parent_child)
        if static:
            if not are_same(self._static.setdefault(child, T_parent_child), T_parent_child):
                self.restated.add(child)
            self._static[child] = T_parent_child
        self._parent[child] = parent
        self.moving[child] = self.moving.get(child, False) or not static


def _frame(name: str) -> str:
    return name.removeprefix("/")  # ROS 1 wrote a leading slash; converted bags still do
