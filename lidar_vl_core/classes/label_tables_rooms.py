"""Classes and colours of the synthetic rooms; their order is the class id. Colours: ScanNet's where it has the class."""

SYNTHETIC_ROOMS_COLORS: dict[str, tuple[int, int, int]] = {
    "wall": (174, 199, 232),
    "floor": (152, 223, 138),
    "ceiling": (120, 185, 128),
    "door": (214, 39, 40),
    "window": (197, 176, 213),
    "table": (255, 152, 150),
    "chair": (188, 189, 34),
    "sofa": (140, 86, 75),
    "bed": (255, 187, 120),
    "cabinet": (31, 119, 180),
    "bookshelf": (148, 103, 189),
    "picture": (196, 156, 148),
    "plant": (44, 160, 44),
    "person": (255, 20, 147),
}
