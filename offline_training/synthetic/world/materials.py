"""What the surfaces of the synthetic world are made of: LiDAR reflectivity, glass, and the texture a camera sees."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

# Class ids of the nuScenes-lidarseg 16 table, in its order.
BARRIER, BICYCLE, BUS, CAR, CONSTRUCTION_VEHICLE, MOTORCYCLE, PEDESTRIAN, TRAFFIC_CONE = range(8)
TRAILER, TRUCK, DRIVEABLE_SURFACE, OTHER_FLAT, SIDEWALK, TERRAIN, MANMADE, VEGETATION = range(8, 16)


class Material(IntEnum):
    """Index into the tables of this module."""

    ASPHALT = 0
    CONCRETE = 1
    PAVING = 2
    GRASS = 3
    SOIL = 4
    PLASTER = 5
    BRICK = 6
    ROOF = 7
    GLASS = 8
    CAR_PAINT = 9
    PLASTIC = 10
    RUBBER = 11
    METAL = 12
    RETRO = 13
    CLOTH = 14
    SKIN = 15
    LEAVES = 16
    BARK = 17
    WOOD = 18
    LAMP = 19


@dataclass(frozen=True)
class MaterialTable:
    """One row per Material."""

    reflectivity: np.ndarray  # (20,) float32: diffuse return at 905 nm at normal incidence, 0..1 (retro above 1)
    loss: np.ndarray  # (20,) float32: share of pulses that come back too weak whatever the range
    gloss: np.ndarray  # (20,) float32: strength of the sun's highlight in an image


# Reflectivities near 905 nm follow the orders in the ECOSTRESS spectral library: asphalt 0.1-0.2, leaves 0.5, paint widely spread.
_ROWS = {
    Material.ASPHALT: (0.14, 0.03, 0.00),
    Material.CONCRETE: (0.34, 0.01, 0.00),
    Material.PAVING: (0.28, 0.01, 0.00),
    Material.GRASS: (0.42, 0.02, 0.00),
    Material.SOIL: (0.25, 0.02, 0.00),
    Material.PLASTER: (0.50, 0.01, 0.00),
    Material.BRICK: (0.38, 0.01, 0.00),
    Material.ROOF: (0.25, 0.01, 0.00),
    Material.GLASS: (0.08, 0.70, 0.60),
    Material.CAR_PAINT: (0.40, 0.04, 0.35),
    Material.PLASTIC: (0.30, 0.02, 0.08),
    Material.RUBBER: (0.06, 0.06, 0.00),
    Material.METAL: (0.45, 0.03, 0.15),
    Material.RETRO: (3.00, 0.00, 0.10),
    Material.CLOTH: (0.35, 0.02, 0.00),
    Material.SKIN: (0.45, 0.02, 0.00),
    Material.LEAVES: (0.48, 0.06, 0.00),
    Material.BARK: (0.30, 0.02, 0.00),
    Material.WOOD: (0.40, 0.01, 0.00),
    Material.LAMP: (0.60, 0.05, 0.30),
}


def material_table() -> MaterialTable:
    """The properties of every material, in the order of the enumeration."""
    rows = np.array([_ROWS[material] for material in Material], np.float32)
    return MaterialTable(reflectivity=rows[:, 0], loss=rows[:, 1], gloss=rows[:, 2])
