"""A wide street while it is being furnished, with a stock of meshes from which the same few are used again."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from offline_training.synthetic.streets.site import Site
from offline_training.synthetic.world.meshes import Mesh

_MOST_OF_A_KIND = 7


@dataclass
class WideSite(Site):
    """A site that makes at most a few meshes of each kind: building them takes longer than casting rays at them."""

    stock: dict[tuple[Any, ...], list[Mesh]] = field(default_factory=dict)

    def some(self, make: Callable[..., Mesh], *arguments: object) -> Mesh:
        """A mesh of `make(rng, *arguments)`: a new one until there are a few, then one of those."""
        kept = self.stock.setdefault((make, *arguments), [])
        if len(kept) < _MOST_OF_A_KIND:
            kept.append(make(self.rng, *arguments))
            return kept[-1]
        return kept[int(self.rng.integers(len(kept)))]

    def grow(
        self, make: Callable[..., Mesh], s: float, d: float, scale: tuple[float, float], *arguments: object
    ) -> None:
        """Put a plant of random size and turn."""
        plant = self.some(make, *arguments).placed((0, 0, 0), np.eye(3) * self.rng.uniform(*scale))
        self.put(plant, s, d, self.rng.uniform(0, 2 * np.pi))
