"""Environment under which clouds cross between processes without loss: Fast DDS profile and allocator. Reads files."""

import shutil
from pathlib import Path

_PROFILE, _PROFILE_FOR_LITTLE_MEMORY = "fastdds_large_clouds.xml", "fastdds_little_shared_memory.xml"
_ROOM_NEEDED = 512 << 20  # bytes of /dev/shm for seven processes with the large profile
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  where Fast DDS puts its segments


def large_message_environment() -> dict[str, str]:
    """Variables for every process that sends clouds or images: launch files, the demo and LiDAR drivers set them."""
    profile = str(profile_path())
    return {
        "FASTRTPS_DEFAULT_PROFILES_FILE": profile,  # Jazzy (Fast DDS 2)
        "FASTDDS_DEFAULT_PROFILES_FILE": profile,  # Kilted and newer (Fast DDS 3)
        # Both or none: either alone is slower than glibc's defaults.
        "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
        "MALLOC_TRIM_THRESHOLD_": str(512 << 20),
    }


def profile_path(shared_memory: Path = _SHARED_MEMORY) -> Path:
    """The Fast DDS profile whose segments fit into the available shared memory."""
    little = shared_memory.is_dir() and shutil.disk_usage(shared_memory).free < _ROOM_NEEDED
    return _config_folder() / (_PROFILE_FOR_LITTLE_MEMORY if little else _PROFILE)


def _config_folder() -> Path:
    """The config folder: beside the sources, or in share/ of an installed package."""
    beside = Path(__file__).resolve().parents[2] / "config"
    if beside.is_dir():
        return beside
    from ament_index_python.packages import get_package_share_directory

    return Path(get_package_share_directory("lidar_vl_ros")) / "config"
