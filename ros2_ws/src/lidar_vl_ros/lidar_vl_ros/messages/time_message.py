"""Stamps as ROS writes them."""

from builtin_interfaces.msg import Time

from lidar_vl_core.foundation.stamps import sec_and_nanosec


def time_message(nanoseconds: int) -> Time:
    """Nanoseconds as a stamp."""
    sec, nanosec = sec_and_nanosec(nanoseconds)
    return Time(sec=sec, nanosec=nanosec)
