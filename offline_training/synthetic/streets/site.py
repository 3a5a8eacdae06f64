"""A street while it is being furnished: what stands where, and which room is taken."""

from dataclasses import dataclass, field

import numpy as np

from offline_training.synthetic.streets.street import StreetPlan
from offline_training.synthetic.world.meshes import Mesh

EGO_START_S_M = 95.0  # the ego vehicle drives from here ...
EGO_END_S_M = 245.0  # ... to here at most, so that the street's ends stay out of sight


@dataclass
class Site:
    """The street while it is being furnished."""

    plan: StreetPlan
    rng: np.random.Generator
    meshes: list[Mesh] = field(default_factory=list)
    taken: list[tuple[float, float, float, float]] = field(default_factory=list)

    def claim(self, s: float, d: float, half_s: float, half_d: float) -> bool:
        """Take a rectangle of the street if it is free."""
        if not s - half_s > 1.0 or not s + half_s < self.plan.length_m - 1.0:
            return False
        for s0, s1, d0, d1 in self.taken:
            if s0 < s + half_s and s - half_s < s1 and d0 < d + half_d and d - half_d < d1:
                return False
        self.taken.append((s - half_s, s + half_s, d - half_d, d + half_d))
        return True

    def put(
        self, mesh: Mesh, s: float, d: float, yaw: float = 0.0, tilt: bool = False, level: float | None = None
    ) -> None:
        """Stand a mesh on the street."""
        if level is None:
            level = self.level(s, d)
        position, rotation = self.plan.pose(s, d, yaw, level, tilt)
        self.meshes.append(mesh.placed(position, rotation))

    def level(self, s: float, d: float) -> float:
        """Height of the ground's surface over the road's level."""
        sign = 1 if d > 0 else -1
        return self.plan.kerb_m if abs(d) > self.plan.edge_m(sign) and not self.plan.in_crossing(s, sign) else 0.0

    def clear_of_arms(self, s: float, sign: int, margin: float) -> bool:
        """Whether s keeps its distance from the arms of crossings on that side."""
        return not self.plan.in_crossing(s, sign, margin)
