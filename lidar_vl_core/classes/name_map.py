"""Name maps: the class names in a data set's box files as ids of a class table."""

from collections.abc import Mapping
from dataclasses import dataclass

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.foundation.errors import BadLabels
from lidar_vl_core.foundation.near_names import did_you_mean


@dataclass(frozen=True)
class NameMap:
    """Translates the names of a data set into the ids of a class table."""

    source: str
    target: ClassTable
    class_of_name: Mapping[str, int]  # 255 = a name of the source that is no class of the table
    rows: tuple[
        str, ...
    ] = ()  # names of the source by their number, where it is a table and numbers may stand for them

    def class_id(self, name: str) -> int:
        """The class of a name, 255 = none of the table's; raises BadLabels for a name the source does not have."""
        if name not in self.class_of_name and name in map(str, range(len(self.rows))):
            name = self.rows[int(name)]
        if name not in self.class_of_name:
            raise BadLabels(
                f"expected a name of {self.source} ({', '.join(self.class_of_name)}), found {name!r}. "
                f"Correct the name, or choose the data set that the file belongs to.{did_you_mean(name, self.class_of_name)}"
            )
        return self.class_of_name[name]
