"""The sound files that trials alter: FOLDER/<kind>/*, and in FOLDER/beside what stays sound."""

import shutil
from pathlib import Path

import numpy as np

from tests.recordings import REAL, SHIPPED

_LONG_ONES = ("many400000",)  # read to the end of the time that is given: seconds for each alteration


def write_originals(folder: Path) -> None:
    """Bags, their metadata, cloud files, configurations and packages; the hostile ones of REAL join where they are."""
    for kind in ("bags", "metadata", "clouds", "configurations", "packages", "beside"):
        (folder / kind).mkdir(parents=True)
    _write_bags(folder / "bags")
    for path in SHIPPED.glob("bags/*/metadata.yaml"):
        shutil.copy(path, folder / "metadata" / f"{path.parent.name}.yaml")
    shutil.copy(SHIPPED / "bags/street_db3_raw/street_db3_raw.db3", folder / "beside")
    _write_clouds(folder / "clouds")
    for path in (Path(__file__).parents[3] / "offline_training" / "configs").glob("*/*.yaml"):
        shutil.copy(path, folder / "configurations")
    _write_packages(folder)
    for kind, suffixes in (("bags", ("db3", "mcap", "zstd")), ("clouds", ("npz", "pcd"))):
        for path in (path for suffix in suffixes for path in REAL.glob(f"hostile_cases/{kind}/*.{suffix}")):
            if path.stem not in _LONG_ONES:
                shutil.copy(path, folder / kind / f"hostile_{path.name}")
    for path in REAL.glob("hostile_cases/bags/*/metadata.yaml"):
        shutil.copy(path, folder / "metadata" / f"hostile_{path.parent.name}.yaml")


def _write_bags(folder: Path) -> None:
    import zstandard

    from lidar_vl_core.bags.writing.bag_writer import BagWriter

    for path in (
        "street_mcap/street_mcap.mcap",
        "street_db3_raw/street_db3_raw.db3",
        "odometry_turtlebot/odometry.mcap",
    ):
        shutil.copy(SHIPPED / "bags" / path, folder)
    for name in ("few.mcap", "few.db3"):
        with BagWriter(folder / name) as bag:
            for number in range(20):
                bag.write(f"/t{number % 3}", "std_msgs/msg/String", number, b"\0\1\0\0\3\0\0\0ab\0")
    (folder / "few.mcap.zstd").write_bytes(zstandard.compress((folder / "few.mcap").read_bytes()))


def _write_clouds(folder: Path) -> None:
    from lidar_vl_core.clouds.cloud_files import read_cloud

    rng = np.random.default_rng(0)
    xyz_m, intensity = rng.normal(size=(60, 3)).astype(np.float32), rng.random(60, np.float32)
    np.savez(folder / "plain.npz", xyz_m=xyz_m, intensity=intensity)
    np.savez_compressed(folder / "packed.npz", xyz_m=xyz_m, intensity=intensity)
    for name in ("calibrated_lens/1/calib.pcd", "bags/packets_vlp16/scan.pcd"):
        shutil.copy(SHIPPED / name, folder / Path(name).name)
    header = "VERSION .7\nFIELDS x y z intensity\nSIZE 4 4 4 4\nTYPE F F F F\nCOUNT 1 1 1 1\nWIDTH 60\nHEIGHT 1\nPOINTS 60\nDATA ascii\n"
    rows = np.column_stack([xyz_m, intensity])
    (folder / "words.pcd").write_text(header + "\n".join(" ".join(map(str, row)) for row in rows) + "\n")
    properties = "".join(f"property float {name}\n" for name in ("x", "y", "z", "intensity"))
    start = "ply\nformat binary_little_endian 1.0\nelement vertex 60\n"
    (folder / "binary.ply").write_bytes(f"{start}{properties}end_header\n".encode() + rows.astype("<f4").tobytes())
    for path in folder.iterdir():
        read_cloud(path)


def _write_packages(folder: Path) -> None:
    from tests.written.tiny_package import write_tiny_package

    package = write_tiny_package(folder / "beside" / "package")
    for name in ("model.onnx", "manifest.yaml"):
        shutil.copy(package / name, folder / "packages" / name)
