"""A recorded sequence of small pictures on disk, a segmenter for them, and the configuration that labels them."""

import json

import numpy as np
from PIL import Image

from lidar_vl_core.foundation.config import validated
from offline_training.weak_labels.config import WeakLabelConfig

PICTURES = 12
SCANS = 16  # the last ones have no picture


def write_sequence(root):
    """Sixteen scans in SemanticKITTI's layout, twelve small pictures, the last two alike, and an ONNX segmenter for them."""
    folder = root / "data" / "sequences" / "00"
    for name in ("velodyne", "image_2"):
        (folder / name).mkdir(parents=True)
    P2 = "20 0 8 0 0 20 4 0 0 0 1 0"
    (folder / "calib.txt").write_text(f"P0: {P2}\nP1: {P2}\nP2: {P2}\nP3: {P2}\nTr: 0 -1 0 0 0 0 -1 0 1 0 0 0\n")
    rng = np.random.default_rng(3)
    for k in range(SCANS):
        np.array([[5, 0, 0, 0.5]], np.float32).tofile(folder / "velodyne" / f"{k:06}.bin")
    for k in range(PICTURES):
        rgb = rng.integers(0, 256, (8, 16, 3), dtype=np.uint8)
        Image.fromarray(rgb).save(folder / "image_2" / f"{k:06}.png")
    (folder / "image_2" / "000011.png").write_bytes((folder / "image_2" / "000010.png").read_bytes())
    _save_segmenter(root)
    return root


def _save_segmenter(root):
    """Logit k is channel k of the picture."""
    import onnx
    from onnx import TensorProto, helper

    shape = ["n", 3, 4, 8]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("image", "logits")]
    graph = helper.make_graph([helper.make_node("Identity", ["image"], ["logits"])], "tiny", ends[:1], ends[1:])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(root / "net.onnx")
    )
    classes = [{"name": name, "color_rgb": [1, 2, 3], "prompts": []} for name in ("red", "green", "blue")]
    maps = {"nuscenes16": {"red": "car", "green": "vegetation"}}
    (root / "rgb.yaml").write_text(json.dumps({"name": "rgb", "classes": classes, "maps_to": maps}))
    spec = {"model": "net.onnx", "classes": str(root / "rgb.yaml"), "width": 8, "height": 4, "scale": 0.1}
    (root / "net.yaml").write_text(json.dumps(spec))


def fleet_config(sequence, out, **changes):
    values = {
        "out": str(out),
        "source": [{"kind": "semantic_kitti", "folder": str(sequence / "data")}],
        "labeler": {"kind": "closed_set", "model": str(sequence / "net.yaml")},
        "preview_pictures": 0,
        "threads": 1,
        **changes,
    }
    return validated(WeakLabelConfig, values, "test")
