"""A sheet that shows synthetic rooms: some views, their pixel classes, and the cloud from above.

`python -m offline_training.toys.room_sheet --out rooms.png --seed 3 --rooms 4`. Touches the disk.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.commands.program.command_line import CommandLine, run_tool
from lidar_vl_core.foundation.errors import BadRequest
from offline_training.datasets.rgbd.synthetic_rooms import RoomSpec, SyntheticRooms

_GAP_PX = 4
_HEAD_SHARE = 0.8  # share of a room's height that is drawn, so that the ceiling does not cover it


def room_sheet(rooms: SyntheticRooms, views: int = 6) -> np.ndarray:
    """(H, W, 3) uint8: for each room a row of images and one of classes, with its cloud by colour and class on the left."""
    return np.concatenate([*(_rows(rooms, index, views) for index in range(len(rooms))), _legend(rooms, views)])


def _rows(rooms: SyntheticRooms, index: int, views: int) -> np.ndarray:
    sample = rooms[index]
    chosen = [sample.views[k] for k in np.linspace(0, len(sample.views) - 1, views).round().astype(int)]
    side = chosen[0].camera.height
    class_rgb = rooms.classes.colorize(np.asarray(sample.cloud.extra["label"]))
    rows = [
        [_from_above(sample.cloud, np.asarray(sample.cloud.extra["rgb"]), side), *(view.load_rgb() for view in chosen)],
        [
            _from_above(sample.cloud, class_rgb, side),
            *(rooms.classes.colorize(rooms.true_class_image(view)) for view in chosen),
        ],
    ]
    return np.concatenate([np.concatenate([_framed(image) for image in row], axis=1) for row in rows])


def _from_above(cloud: PointCloud, color_rgb: np.ndarray, side_px: int) -> np.ndarray:
    """(side, side, 3) uint8: the cloud without points near the ceiling; higher points cover lower ones."""
    kept = np.flatnonzero(cloud.xyz_m[:, 2] < _HEAD_SHARE * cloud.xyz_m[:, 2].max())
    kept = kept[np.argsort(cloud.xyz_m[kept, 2], kind="stable")]
    xy_m = cloud.xyz_m[kept, :2]
    low, high = xy_m.min(axis=0), xy_m.max(axis=0)
    pixel_m = float((high - low).max()) / (side_px - 2)
    column, row = ((xy_m - (low + high) / 2) / pixel_m + side_px / 2).astype(int).clip(0, side_px - 1).T
    image = np.full((side_px, side_px, 3), 255, np.uint8)
    image[side_px - 1 - row, column] = color_rgb[kept]
    return image


def _framed(image: np.ndarray) -> np.ndarray:
    return np.pad(image, ((0, _GAP_PX), (0, _GAP_PX), (0, 0)), constant_values=255)


def _legend(rooms: SyntheticRooms, views: int) -> np.ndarray:
    """A legend of two lines with the name of each class in its colour, as wide as the rows."""
    from PIL import Image, ImageDraw

    camera = rooms.views(0)[0].camera
    width = camera.height + views * camera.width + (views + 1) * _GAP_PX
    legend = Image.new("RGB", (width, 40), (255, 255, 255))
    draw, table = ImageDraw.Draw(legend), rooms.classes
    step = width // -(-len(table) // 2)
    for class_id, name in enumerate(table.names):
        x, y = (class_id // 2) * step + 4, (class_id % 2) * 20 + 3
        draw.rectangle((x, y, x + 12, y + 12), fill=_rgb(table, class_id))
        draw.text((x + 18, y), name, fill=(30, 30, 30))
    return np.asarray(legend)


def _rgb(table: ClassTable, class_id: int) -> tuple[int, int, int]:
    red, green, blue = table.colors_rgb[class_id].tolist()
    return red, green, blue


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = CommandLine(
        prog="python -m offline_training.toys.room_sheet",
        description="Draw synthetic rooms: views, classes, and the cloud from above.",
    )
    parser.add_argument("--out", type=Path, required=True, help="image to write, .png")
    parser.add_argument("--seed", type=int, default=0, help="the first room; equal seeds give equal rooms")
    parser.add_argument("--rooms", type=int, default=4)
    parser.add_argument("--views", type=int, default=6, help="number of views shown of each room's 16")
    parser.add_argument("--image-width", type=int, default=160, help="width of an image in pixels; images are 4:3")
    return run_tool(parser, _draw, arguments)


def _draw(options: argparse.Namespace) -> None:
    from PIL import Image

    from lidar_vl_core.drawing.figures import png_bytes
    from lidar_vl_core.foundation.files import write_bytes

    spec = RoomSpec(image_width=options.image_width)
    if options.rooms < 1 or options.seed < 0 or not 1 <= options.views <= spec.views:
        raise BadRequest(
            f"expected 1 room or more, seeds from 0 and 1 to {spec.views} views, found --rooms {options.rooms} "
            f"--seed {options.seed} --views {options.views}."
        )
    with tempfile.TemporaryDirectory() as cache:
        rooms = SyntheticRooms(range(options.seed, options.seed + options.rooms), Path(cache), spec)
        sheet = room_sheet(rooms, options.views)
    write_bytes(options.out, png_bytes(Image.fromarray(sheet)))
    print(f"{options.out}: {options.rooms} rooms from seed {options.seed}")


if __name__ == "__main__":
    sys.exit(main())
