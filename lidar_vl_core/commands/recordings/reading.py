"""What is read of a recording, and how its points are meant."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    """Which clouds of a recording are read, how, and where the truth about them is."""

    cloud_topic: str | None = None  # needed only where there are several
    intensity_max: float | None = None  # the driver's full scale; None judges it once
    compensate: bool = False  # bring each point to the cloud's stamp, by its own time and the recorded motion
    label_field: str | None = None  # of the clouds, with the true class of each point
    label_table: str | None = None  # the class table of these
    box_topic: str | None = None  # vision_msgs/Detection3DArray with the true boxes
    box_table: str | None = None  # whose names their classes have; None: the package's own


AS_IT_IS = Reading()  # nothing was asked
