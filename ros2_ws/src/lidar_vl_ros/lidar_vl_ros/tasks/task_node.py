"""A node that reads and pairs every frame once, and hands it to its tasks, one after the other."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lidar_vl_core.cameras.synchronisation.camera_queue import Paired
from lidar_vl_core.tasks.warm_up_cloud import compile_loops_beside_the_network
from lidar_vl_ros.health.health import Report
from lidar_vl_ros.inputs.sensor_frame import SensorFrame
from lidar_vl_ros.node.perception_node import PerceptionNode
from lidar_vl_ros.outputs.stage_times import StageTimes
from lidar_vl_ros.parameters.node_parameters import NodeParameters
from lidar_vl_ros.tasks.task import PointOpinion, Served, Task

_TOTAL = "total"

SettingsOf = Callable[[Any], Any]


class TaskNode(PerceptionNode):
    """A subclass adds its tasks with `does`; later ones get the classes that earlier ones give to the points."""

    def __init__(self, name: str, settings_type: type[NodeParameters], **node_options: Any) -> None:  # noqa: ANN401
        super().__init__(name, settings_type, **node_options)
        self._tasks: list[tuple[Task, SettingsOf]] = []
        self._used: list[tuple[Task, SettingsOf]] = []  # those that are loaded
        self._times: StageTimes | None = None

    def does(self, task: Task, settings_of: SettingsOf = lambda settings: settings) -> None:
        """Add a task. settings_of: takes its settings from the node's; None if the task is not enabled."""
        self._tasks.append((task, settings_of))

    def load(self, settings: Any) -> None:  # noqa: ANN401
        """Load every task that is enabled."""
        self._used = [(task, settings_of) for task, settings_of in self._tasks if settings_of(settings) is not None]
        for task, settings_of in self._used:
            self.outputs.open([task.outputs])
            task.load(settings_of(settings))
        self._times = StageTimes(self, [*(stage for task, _ in self._used for stage in task.stages()), _TOTAL])

    def unload(self) -> None:
        """Unload every task."""
        times, self._times = self._times, None
        if times is not None:
            times.close()
        for task, _ in self._used:
            task.unload()
        self._used = []

    def warm_up(self) -> None:
        """Warm up every task, and compile the loops for boxes and images that they may need."""
        compile_loops_beside_the_network()
        for task, _ in self._used:
            task.warm_up()

    def images_needed(self) -> bool:
        """Whether any task needs images for its answer."""
        return any(task.images_needed() for task, _ in self._used)

    def picture_came(self, name: str, paired: Paired, load_rgb: Callable[[], np.ndarray]) -> None:
        """Pass the image, (H, W, 3) when loaded, to every task."""
        for task, _ in self._used:
            task.picture_came(name, paired, load_rgb)

    def reports(self, now_ns: int) -> list[tuple[str, Report]]:
        """The diagnostics of all tasks."""
        return [report for task, _ in self._used for report in task.reports(now_ns)]

    def motion_told_by(self) -> str | None:
        """The first odometry topic of a task, else "" for /tf if a task, or the node itself, needs motion at all."""
        asked = [topic for task, _ in self._used if (topic := task.motion_told_by()) is not None]
        if self.settings.motion_needed:
            asked += [settings_of(self.settings).odometry_topic for _, settings_of in self._used]
        return next((topic for topic in asked if topic), "") if asked else None

    def extra_fields(self) -> Sequence[str]:
        """The fields of all tasks, each once."""
        return tuple(dict.fromkeys(name for task, _ in self._used for name in task.extra_fields()))

    def reads_colours(self) -> bool:
        """Whether any task reads colours."""
        return any(task.reads_colours() for task, _ in self._used)

    def prepare(self, settings: Any) -> list[tuple[Task, Any, Any]]:  # noqa: ANN401
        """Prepare the tasks whose settings have changed or failed."""
        changed = [
            (task, of(settings)) for task, of in self._used if of(settings) != of(self.settings) or task.must_retry()
        ]
        return [(task, task_settings, task.prepare(task_settings)) for task, task_settings in changed]

    def apply(self, prepared: list[tuple[Task, Any, Any]]) -> None:
        """Apply what was prepared."""
        for task, task_settings, made_ready in prepared:
            task.apply(task_settings, made_ready)

    def serve(self, frame: SensorFrame) -> None:
        """Run one task after the other, as far as outputs of it or of a later one are wanted."""
        timing_ms: Counter[str] = Counter()
        opinions: list[PointOpinion] = []
        answers: list[Served] = []
        for number, (task, _) in enumerate(self._used):
            if not any(later.outputs.wanted() for later, _ in self._used[number:]):
                continue
            served = task.serve(frame, opinions)
            if served is None or self._times is None:
                self.health.count("discarded")
                return
            timing_ms.update(served.timing_ms)  # adds up the totals
            opinions += served.opinions
            answers.append(served)
        if not timing_ms:
            self.health.count("unwatched")  # who listened when it came has left meanwhile
            return
        latency_ms = self.age_ms(frame.header)
        self.health.served(timing_ms, latency_ms)
        if (times := self._times) is not None:
            times.publish(frame.header, timing_ms, latency_ms)
        self.diagnostics.memory.answered(len(frame.cloud))
        if (black_box := self.black_box) is not None:
            points = next((each.points for each in answers if each.points is not None), None)
            boxes = next((each.boxes for each in answers if each.boxes is not None), None)
            black_box.answered(frame.cloud, points, boxes)
