"""From the stamp to the labels: what each part of the way through the node takes."""

from pathlib import Path

from tests.bench.report.markdown import Rows, of_kind

_END_TO_END = "stamp to labels"


def save_vehicle_path(rows: Rows, out: Path) -> Path | None:
    """OUT/vehicle_path.png, or None where the node was not measured."""
    own = of_kind(rows, "node_part")
    if not own:
        return None
    from matplotlib.figure import Figure

    sizes = list(dict.fromkeys(row["details"]["points"] for row in own))
    figure = Figure(figsize=(9.0, 1.4 + 0.9 * len(sizes)), layout="constrained")
    axis = figure.subplots()
    parts = [part for part in dict.fromkeys(row["details"]["part"] for row in own) if part != _END_TO_END]
    value = {(row["details"]["part"], row["details"]["points"]): row["value"] for row in own}
    for place, points in enumerate(sizes):
        left = 0.0
        for number, part in enumerate(parts):
            taken = value[part, points]
            axis.barh(place, taken, left=left, color=f"C{number}", label=part if place == 0 else None)
            if taken > 0.04 * max(value.values()):
                axis.text(left + taken / 2, place, f"{taken:.1f}", ha="center", va="center", color="white", fontsize=9)
            left += taken
        axis.text(left, place, f"  {value[_END_TO_END, points]:.0f} ms", va="center", fontsize=9)
    axis.set_yticks(range(len(sizes)), [f"{points // 1000}k points" for points in sizes])
    axis.set(xlabel="ms, medians", title="segmentation node: from the stamp to the labels in another process")
    axis.set_xlim(0, 1.1 * max(value.values()))
    axis.invert_yaxis()
    figure.legend(ncols=len(parts), fontsize=9, loc="outside lower center", frameon=False)
    path = out / "vehicle_path.png"
    figure.savefig(path, dpi=130)
    return path
