"""What the core reads beside its modules goes into the wheel."""

import ast
import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def test_every_data_file_of_the_core_is_shipped():
    said = re.search(r"^lidar_vl_core = (\[.*?\])$", (REPOSITORY / "pyproject.toml").read_text(), re.M | re.S)
    core = REPOSITORY / "lidar_vl_core"
    shipped = {path for pattern in ast.literal_eval(said[1]) for path in core.glob(pattern)}
    data = {
        path for path in core.rglob("*") if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts
    }
    assert sorted(str(path) for path in data - shipped) == []
