"""Environment under which clouds cross between processes without loss: Fast DDS profile and allocator."""

from pathlib import Path

_PROFILE = "fastdds_large_clouds.xml"


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


def profile_path() -> Path:
    """The Fast DDS profile: beside the sources, or in share/ of an installed package."""
    beside = Path(__file__).resolve().parents[1] / "config" / _PROFILE
    if beside.is_file():
        return beside
    from ament_index_python.packages import get_package_share_directory

    return Path(get_package_share_directory("lidar_vl_ros")) / "config" / _PROFILE
