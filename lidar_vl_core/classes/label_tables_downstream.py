"""Classes and colours of the data sets that pre-trained backbones are tried on; their order is the class id."""

_Rgb = tuple[int, int, int]

# RELLIS-3D's ontology less void, in the order of its raw ids, with its colours. These 19 are what OLIVINE and Seal report;
# dirt and sky never occur in its scans, object, asphalt and building on some 500 of a billion points, so their IoU depends
# on how an evaluator counts empty classes: OLIVINE's counts them as 1.
_RELLIS_19: dict[str, _Rgb] = {
    "dirt": (108, 64, 20),
    "grass": (0, 102, 0),
    "tree": (0, 255, 0),
    "pole": (0, 153, 153),
    "water": (0, 128, 255),
    "sky": (0, 0, 255),
    "vehicle": (255, 255, 0),
    "object": (255, 0, 127),
    "asphalt": (64, 64, 64),
    "building": (255, 0, 0),
    "log": (102, 0, 0),
    "person": (204, 153, 255),
    "fence": (102, 0, 204),
    "bush": (255, 153, 204),
    "concrete": (170, 170, 170),
    "barrier": (41, 121, 255),
    "puddle": (134, 255, 239),
    "mud": (99, 66, 34),
    "rubble": (110, 22, 138),
}

# The 14 of RELLIS-3D's own point cloud benchmark: those that occur in its scans.
_RELLIS_14 = {
    name: rgb for name, rgb in _RELLIS_19.items() if name not in {"dirt", "sky", "object", "asphalt", "building"}
}

# SemanticPOSS: its one and several persons are one class, its three kinds of traffic sign too; colours of its own reader.
_SEMANTIC_POSS_13: dict[str, _Rgb] = {
    "person": (255, 30, 30),
    "rider": (255, 40, 200),
    "car": (100, 150, 245),
    "trunk": (135, 60, 0),
    "plants": (0, 175, 0),
    "traffic-sign": (255, 0, 0),
    "pole": (255, 240, 150),
    "trashcan": (125, 255, 0),
    "building": (255, 200, 0),
    "cone/stone": (50, 255, 255),
    "fence": (255, 120, 50),
    "bike": (100, 230, 245),
    "ground": (128, 128, 128),
}

# SynLiDAR's 32 raw classes. Its published colours repeat, so these are SemanticKITTI's where both know the class.
_SYNLIDAR_32: dict[str, _Rgb] = {
    "car": (100, 150, 245),
    "pick-up": (60, 110, 220),
    "truck": (80, 30, 180),
    "bus": (100, 80, 250),
    "bicycle": (100, 230, 245),
    "motorcycle": (30, 60, 150),
    "other-vehicle": (0, 0, 255),
    "road": (255, 0, 255),
    "sidewalk": (75, 0, 75),
    "parking": (255, 150, 255),
    "other-ground": (175, 0, 75),
    "female": (255, 30, 30),
    "male": (200, 20, 20),
    "kid": (255, 110, 110),
    "crowd": (150, 10, 10),
    "bicyclist": (255, 40, 200),
    "motorcyclist": (150, 30, 90),
    "building": (255, 200, 0),
    "other-structure": (255, 150, 0),
    "vegetation": (0, 175, 0),
    "trunk": (135, 60, 0),
    "terrain": (150, 240, 80),
    "traffic-sign": (255, 0, 0),
    "pole": (255, 240, 150),
    "traffic-cone": (50, 255, 255),
    "fence": (255, 120, 50),
    "garbage-can": (125, 255, 0),
    "electric-box": (120, 120, 160),
    "table": (180, 140, 100),
    "chair": (200, 170, 130),
    "bench": (160, 110, 70),
    "other-object": (128, 128, 128),
}

# DAPS-3D's joined categories, with SemanticKITTI's colours of car, person, road and building, as its authors draw them.
_DAPS3D_4: dict[str, _Rgb] = {
    "vehicle": (100, 150, 245),
    "human": (255, 30, 30),
    "surface": (255, 0, 255),
    "obstacle": (255, 200, 0),
}

COLORS_OF_CLASSES: dict[str, dict[str, _Rgb]] = {
    "rellis3d19": _RELLIS_19,
    "rellis3d14": _RELLIS_14,
    "semantic_poss13": _SEMANTIC_POSS_13,
    "synlidar32": _SYNLIDAR_32,
    "daps3d4": _DAPS3D_4,
}
