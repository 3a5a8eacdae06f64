"""What each raw label means in the data sets that pre-trained backbones are tried on; None = ignored there."""

# RELLIS-3D, raw ids of its ontology (rellis.yaml of its authors).
_RELLIS: dict[int, str | None] = {
    0: None,  # void
    1: "dirt",
    3: "grass",
    4: "tree",
    5: "pole",
    6: "water",
    7: "sky",
    8: "vehicle",
    9: "object",
    10: "asphalt",
    12: "building",
    15: "log",
    17: "person",
    18: "fence",
    19: "bush",
    23: "concrete",
    27: "barrier",
    31: "puddle",
    33: "mud",
    34: "rubble",
}

# Left out by the learning map of RELLIS-3D's own benchmark: some 500 of its billion points carry them.
_RELLIS_RARE = frozenset({"dirt", "sky", "object", "asphalt", "building"})

# SemanticPOSS, raw ids as its own reader names them. 1..3 and 18..20 have no name there; the learning maps in use ignore them.
_SEMANTIC_POSS: dict[int, str | None] = {
    0: None,  # unlabelled
    1: None,
    2: None,
    3: None,
    4: "person",  # one
    5: "person",  # two or more
    6: "rider",
    7: "car",
    8: "trunk",
    9: "plants",
    10: "traffic-sign",  # standing
    11: "traffic-sign",  # hanging
    12: "traffic-sign",  # high or big, hanging
    13: "pole",
    14: "trashcan",
    15: "building",
    16: "cone/stone",
    17: "fence",
    18: None,
    19: None,
    20: None,
    21: "bike",
    22: "ground",
}

# SemanticSTF's raw ids are SemanticKITTI's train ids 1..19, so its classes are that table; 20 = invalid, such as a snow flake.
# OLIVINE's public loader of this data set applies SemanticPOSS's map instead, under which car (1) would be ignored.
_SEMANTIC_STF: dict[int, str | None] = {
    0: None,
    1: "car",
    2: "bicycle",
    3: "motorcycle",
    4: "truck",
    5: "other-vehicle",
    6: "person",
    7: "bicyclist",
    8: "motorcyclist",
    9: "road",
    10: "parking",
    11: "sidewalk",
    12: "other-ground",
    13: "building",
    14: "fence",
    15: "vegetation",
    16: "trunk",
    17: "terrain",
    18: "pole",
    19: "traffic-sign",
    20: None,
}

# SynLiDAR, raw ids of its annotations.yaml.
_SYNLIDAR: dict[int, str | None] = {
    0: None,  # unlabelled
    1: "car",
    2: "pick-up",
    3: "truck",
    4: "bus",
    5: "bicycle",
    6: "motorcycle",
    7: "other-vehicle",
    8: "road",
    9: "sidewalk",
    10: "parking",
    11: "other-ground",
    12: "female",
    13: "male",
    14: "kid",
    15: "crowd",
    16: "bicyclist",
    17: "motorcyclist",
    18: "building",
    19: "other-structure",
    20: "vegetation",
    21: "trunk",
    22: "terrain",
    23: "traffic-sign",
    24: "pole",
    25: "traffic-cone",
    26: "fence",
    27: "garbage-can",
    28: "electric-box",
    29: "table",
    30: "chair",
    31: "bench",
    32: "other-object",
}

# SynLiDAR -> SemanticKITTI's 19, the map its authors publish; classes that both name alike are not listed.
_SYNLIDAR_TO_KITTI_19: dict[str, str | None] = {
    "pick-up": "truck",
    "bus": "other-vehicle",
    "female": "person",
    "male": "person",
    "kid": "person",
    "crowd": "person",
    "other-structure": None,
    "traffic-cone": None,
    "garbage-can": None,
    "electric-box": None,
    "table": None,
    "chair": None,
    "bench": None,
    "other-object": None,
}

# SemanticKITTI's 19 -> DAPS-3D's categories (its label_params.yml, whose raw ids are SemanticKITTI's).
KITTI_19_TO_DAPS3D_4: dict[str, str] = {
    "car": "vehicle",
    "bicycle": "vehicle",
    "motorcycle": "vehicle",
    "truck": "vehicle",
    "other-vehicle": "vehicle",
    "person": "human",
    "bicyclist": "human",
    "motorcyclist": "human",
    "road": "surface",
    "parking": "surface",
    "sidewalk": "surface",
    "other-ground": "surface",
    "building": "obstacle",
    "fence": "obstacle",
    "vegetation": "obstacle",
    "trunk": "obstacle",
    "terrain": "surface",
    "pole": "obstacle",
    "traffic-sign": "obstacle",
}

# Which class table is the right one for numbers beside the published ones: RELLIS-3D's is known from OLIVINE's loader
# (19 classes). For SynLiDAR neither its table nor its loader is public; follow-up code of the same line of work counts 32.
CLASS_NAME_OF_RAW_DOWNSTREAM: dict[str, dict[str, dict[int, str | None]]] = {
    "rellis3d": {
        "rellis3d19": _RELLIS,
        "rellis3d14": {raw: None if name in _RELLIS_RARE else name for raw, name in _RELLIS.items()},
    },
    "semantic_poss": {"semantic_poss13": _SEMANTIC_POSS},
    "semantic_stf": {"semantic_kitti19": _SEMANTIC_STF},
    "synlidar": {
        "synlidar32": _SYNLIDAR,
        "semantic_kitti19": {
            raw: None if name is None else _SYNLIDAR_TO_KITTI_19.get(name, name) for raw, name in _SYNLIDAR.items()
        },
    },
}
