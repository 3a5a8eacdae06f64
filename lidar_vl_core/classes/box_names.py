"""What the class names in messages of boxes mean in a table: its own names, those of another table, or of a data set."""

from dataclasses import replace

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table, class_table_names, name_map
from lidar_vl_core.classes.name_map import NameMap


def box_names(source: str | None, target: ClassTable) -> NameMap:
    """The map from names into `target`; those of a class table may also come as numbers, its rows.

    source: a class table, the names of a data set's boxes such as pandaset_cuboids, or None for the table's own. Raises
    BadLabels listing the choices.
    """
    if source is None or source == target.name:
        own = {name: row for row, name in enumerate(target.names)}
        return NameMap(target.name, target, own, target.names)
    known = name_map(source, target)
    return replace(known, rows=class_table(source).names) if source in class_table_names() else known
