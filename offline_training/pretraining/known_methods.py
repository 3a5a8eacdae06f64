"""The pre-training methods by name: the modules of methods/."""

from collections.abc import Mapping
from typing import Any

from lidar_vl_core.foundation.folder_members import by_name, folder_members
from offline_training.pretraining import methods
from offline_training.pretraining.base.method import Method

METHODS: Mapping[str, Method[Any]] = by_name(folder_members(methods, "METHOD", Method), lambda method: method.name)
