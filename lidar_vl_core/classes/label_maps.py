"""What each raw label of a data set means in a class table; None = ignored there.

The tables name classes instead of ids, so that they can be read and checked against the data sets' own papers.
"""

from lidar_vl_core.classes.label_maps_downstream import CLASS_NAME_OF_RAW_DOWNSTREAM, KITTI_19_TO_DAPS3D_4
from lidar_vl_core.classes.label_maps_indoor import CLASS_NAME_OF_RAW_INDOOR

# nuScenes-lidarseg, 32 raw ids (0 = noise) -> the 16 classes of its challenge.
_NUSCENES_LIDARSEG: dict[int, str | None] = {
    0: None,  # noise
    1: None,  # animal
    2: "pedestrian",  # adult
    3: "pedestrian",  # child
    4: "pedestrian",  # construction worker
    5: None,  # personal mobility
    6: "pedestrian",  # police officer
    7: None,  # stroller
    8: None,  # wheelchair
    9: "barrier",
    10: None,  # debris
    11: None,  # pushable, pullable
    12: "traffic_cone",
    13: None,  # bicycle rack
    14: "bicycle",
    15: "bus",  # bendy
    16: "bus",  # rigid
    17: "car",
    18: "construction_vehicle",
    19: None,  # ambulance
    20: None,  # police vehicle
    21: "motorcycle",
    22: "trailer",
    23: "truck",
    24: "driveable_surface",
    25: "other_flat",
    26: "sidewalk",
    27: "terrain",
    28: "manmade",
    29: None,  # static, other
    30: "vegetation",
    31: None,  # ego vehicle
}

# PandaSet, 42 raw ids (0 does not occur in its files) -> nuScenes, by the definitions nuScenes gives its annotators.
_PANDASET_TO_NUSCENES: dict[int, str | None] = {
    0: None,
    1: None,  # smoke
    2: None,  # exhaust
    3: None,  # spray or rain
    4: None,  # reflection: ghost points
    5: "vegetation",
    6: "terrain",  # ground: nuScenes' terrain includes soil and gravel
    7: "driveable_surface",  # road
    8: "driveable_surface",  # lane line marking
    9: "driveable_surface",  # stop line marking
    10: "driveable_surface",  # other road marking
    11: "sidewalk",
    12: "driveable_surface",  # driveway: nuScenes counts all that a car can drive on
    13: "car",
    14: "truck",  # pickup truck: nuScenes' truck is "primarily designed to haul cargo including pick-ups"
    15: "truck",  # medium-sized truck
    16: "truck",  # semi-truck
    17: "trailer",  # towed object
    18: "motorcycle",
    19: "construction_vehicle",
    20: None,  # other vehicle, uncommon
    21: None,  # pedicab
    22: None,  # emergency vehicle: nuScenes' challenge ignores ambulances and police cars
    23: "bus",
    24: None,  # personal mobility device: ignored by nuScenes' challenge
    25: "motorcycle",  # motorized scooter: nuScenes' motorcycle includes vespas and scooters
    26: "bicycle",
    27: None,  # train: nuScenes has no rail vehicles
    28: None,  # trolley
    29: None,  # tram, subway
    30: "pedestrian",
    31: "pedestrian",  # with object: nuScenes includes what is carried
    32: None,  # bird
    33: None,  # other animal
    34: None,  # pylons: fixed bollards in some frames (manmade in nuScenes), loose delineators (cones there) in others
    35: "barrier",  # road barriers
    36: "manmade",  # signs: nuScenes' manmade includes street signs
    37: "traffic_cone",  # cones
    38: None,  # construction signs: nuScenes has no class for signs that stand on the road for a day
    39: "barrier",  # temporary construction barriers
    40: None,  # rolling containers: pushable, ignored by nuScenes' challenge
    41: "manmade",  # building
    42: "manmade",  # other static object: seen in its images to be fences, poles, traffic lights and bollards
}

# SemanticKITTI, raw ids -> its own 19 classes (the learning map its authors publish).
_SEMANTIC_KITTI: dict[int, str | None] = {
    0: None,  # unlabeled
    1: None,  # outlier
    10: "car",
    11: "bicycle",
    13: "other-vehicle",  # bus
    15: "motorcycle",
    16: "other-vehicle",  # on rails
    18: "truck",
    20: "other-vehicle",
    30: "person",
    31: "bicyclist",
    32: "motorcyclist",
    40: "road",
    44: "parking",
    48: "sidewalk",
    49: "other-ground",
    50: "building",
    51: "fence",
    52: None,  # other structure
    60: "road",  # lane marking
    70: "vegetation",
    71: "trunk",
    72: "terrain",
    80: "pole",
    81: "traffic-sign",
    99: None,  # other object
    252: "car",  # from here on: the moving ones
    253: "bicyclist",
    254: "person",
    255: "motorcyclist",
    256: "other-vehicle",  # on rails
    257: "other-vehicle",  # bus
    258: "truck",
    259: "other-vehicle",
}

# The 19 classes -> nuScenes, whose two-wheelers include their riders and whose driveable surface includes parking.
_KITTI_19_TO_NUSCENES: dict[str, str | None] = {
    "car": "car",
    "bicycle": "bicycle",
    "motorcycle": "motorcycle",
    "truck": "truck",
    "other-vehicle": None,  # buses, trams, trailers and tractors in one: no single class of nuScenes
    "person": "pedestrian",
    "bicyclist": "bicycle",
    "motorcyclist": "motorcycle",
    "road": "driveable_surface",
    "parking": "driveable_surface",
    "sidewalk": "sidewalk",
    "other-ground": "other_flat",
    "building": "manmade",
    "fence": "manmade",
    "vegetation": "vegetation",
    "trunk": "vegetation",
    "terrain": "terrain",
    "pole": "manmade",
    "traffic-sign": "manmade",
}


# The raw id that stands for a class in a submission to SemanticKITTI's server (learning_map_inv of its authors).
SEMANTIC_KITTI_RAW_OF_CLASS: dict[str, int] = {
    "car": 10,
    "bicycle": 11,
    "motorcycle": 15,
    "truck": 18,
    "other-vehicle": 20,
    "person": 30,
    "bicyclist": 31,
    "motorcyclist": 32,
    "road": 40,
    "parking": 44,
    "sidewalk": 48,
    "other-ground": 49,
    "building": 50,
    "fence": 51,
    "vegetation": 70,
    "trunk": 71,
    "terrain": 72,
    "pole": 80,
    "traffic-sign": 81,
}


def _semantic_kitti_to_nuscenes() -> dict[int, str | None]:
    by_class = {raw: None if name is None else _KITTI_19_TO_NUSCENES[name] for raw, name in _SEMANTIC_KITTI.items()}
    # The raw ids know more than the 19 classes: buses are told apart, and other structures are built by people.
    return {**by_class, 13: "bus", 257: "bus", 52: "manmade"}


CLASS_NAME_OF_RAW: dict[str, dict[str, dict[int, str | None]]] = {
    "nuscenes_lidarseg": {"nuscenes16": _NUSCENES_LIDARSEG},
    "pandaset": {"nuscenes16": _PANDASET_TO_NUSCENES},
    "semantic_kitti": {"semantic_kitti19": _SEMANTIC_KITTI, "nuscenes16": _semantic_kitti_to_nuscenes()},
    "semantic_kitti19": {"nuscenes16": dict(enumerate(_KITTI_19_TO_NUSCENES.values()))},
    "daps3d": {
        "daps3d4": {raw: None if name is None else KITTI_19_TO_DAPS3D_4[name] for raw, name in _SEMANTIC_KITTI.items()}
    },
    **CLASS_NAME_OF_RAW_DOWNSTREAM,
    **CLASS_NAME_OF_RAW_INDOOR,
}

# Data sets whose label files hold the class in the lower half of 32 bits and an instance number in the upper half.
HOLDS_INSTANCES = frozenset({"semantic_kitti", "rellis3d", "semantic_poss", "semantic_stf", "synlidar", "daps3d"})
