"""The meaning of class ids, as one text that accompanies labelled clouds."""

import json

from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable


def label_info(classes: ClassTable, after_stamp_ns: int) -> str:
    """Class names and colours as JSON; id k is the k-th name in clouds later than after_stamp_ns, the last of those before."""
    return json.dumps(
        {
            "class_table": classes.name,
            "names": list(classes.names),
            "colors_rgb": classes.colors_rgb.tolist(),
            "ignore_id": IGNORE_ID,
            "after_stamp_ns": after_stamp_ns,
        }
    )
