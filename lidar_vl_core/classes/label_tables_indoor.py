"""Classes and colours of indoor data sets; their order is the class id."""

_Rgb = tuple[int, int, int]

# ScanNet's benchmark, its order, names and colours.
_SCANNET_20: dict[str, _Rgb] = {
    "wall": (174, 199, 232),
    "floor": (152, 223, 138),
    "cabinet": (31, 119, 180),
    "bed": (255, 187, 120),
    "chair": (188, 189, 34),
    "sofa": (140, 86, 75),
    "table": (255, 152, 150),
    "door": (214, 39, 40),
    "window": (197, 176, 213),
    "bookshelf": (148, 103, 189),
    "picture": (196, 156, 148),
    "counter": (23, 190, 207),
    "desk": (247, 182, 210),
    "curtain": (219, 219, 141),
    "refrigerator": (255, 127, 14),
    "shower curtain": (158, 218, 229),
    "toilet": (44, 160, 44),
    "sink": (112, 128, 144),
    "bathtub": (227, 119, 194),
    "otherfurniture": (82, 84, 163),
}

# OpenScene's Matterport3D: ScanNet's 20 with their last called other, and the ceiling behind them.
_MATTERPORT_21: dict[str, _Rgb] = {
    **{name: rgb for name, rgb in _SCANNET_20.items() if name != "otherfurniture"},
    "other": _SCANNET_20["otherfurniture"],
    "ceiling": (58, 98, 26),
}

# S3DIS, the order of its benchmark; colours as PointNet's authors draw it.
_S3DIS_13: dict[str, _Rgb] = {
    "ceiling": (0, 255, 0),
    "floor": (0, 0, 255),
    "wall": (0, 255, 255),
    "beam": (255, 255, 0),
    "column": (255, 0, 255),
    "window": (100, 100, 255),
    "door": (200, 200, 100),
    "table": (170, 120, 200),
    "chair": (255, 0, 0),
    "sofa": (200, 100, 100),
    "bookcase": (10, 200, 100),
    "board": (200, 200, 200),
    "clutter": (50, 50, 50),
}

# NYU Depth V2 in 13 classes, in the order of its label maps; colours of our own, ScanNet's where both know the class.
_NYU_13: dict[str, _Rgb] = {
    "bed": _SCANNET_20["bed"],
    "books": (90, 60, 160),
    "ceiling": _MATTERPORT_21["ceiling"],
    "chair": _SCANNET_20["chair"],
    "floor": _SCANNET_20["floor"],
    "furniture": _SCANNET_20["cabinet"],
    "objects": (82, 84, 163),
    "picture": _SCANNET_20["picture"],
    "sofa": _SCANNET_20["sofa"],
    "table": _SCANNET_20["table"],
    "tv": (20, 20, 20),
    "wall": _SCANNET_20["wall"],
    "window": _SCANNET_20["window"],
}

COLORS_OF_INDOOR_CLASSES: dict[str, dict[str, _Rgb]] = {
    "scannet20": _SCANNET_20,
    "matterport21": _MATTERPORT_21,
    "s3dis13": _S3DIS_13,
    "nyu13": _NYU_13,
}
