"""Makes torchvision importable in tests, for timm and the image processors of transformers.

PyPI's torchvision is built for the CUDA build of torch: beside a CPU-only torch its operators cannot load, and once it can
be found, lightning fails with it. So `make` keeps it in a folder of its own, .venv/torchvision, that only tests add to the path.
"""

import importlib.util
import sys
from pathlib import Path

import torch

_FOLDER = Path(sys.prefix) / "torchvision"
_libraries: list[torch.library.Library] = []


def ensure_torchvision() -> None:
    """Add torchvision to the path and, where its operators cannot load, declare the two that its import asks for.

    Before transformers or lightning are imported: they look once whether it is there. Does nothing where it is nowhere.
    """
    if "torchvision" in sys.modules:
        return
    if importlib.util.find_spec("torchvision") is None:
        if not _FOLDER.is_dir():
            return
        sys.path.append(str(_FOLDER))
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.impl("nms", _nms, "CPU")
        _libraries.append(library)
        import torchvision  # noqa: F401
        import torchvision.ops.boxes as boxes

        boxes._assert_has_ops = lambda: None


def _nms(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Indices of the boxes (N, 4) x0 y0 x1 y1 that no better one overlaps, best first."""
    kept: list[int] = []
    area = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(dim=1)
    for one in scores.argsort(descending=True, stable=True).tolist():
        if not kept:
            kept.append(one)
            continue
        others = boxes[kept]
        size = torch.minimum(boxes[one, 2:], others[:, 2:]) - torch.maximum(boxes[one, :2], others[:, :2])
        shared = size.clamp(min=0).prod(dim=1)
        if bool((shared <= iou_threshold * (area[one] + area[kept] - shared)).all()):
            kept.append(one)
    return torch.tensor(kept, dtype=torch.int64)
