"""The parts of the benchmark, in the order in which they are measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """A module tests.bench.NAME with measure() -> rows."""

    name: str
    minutes: float  # about, on two idle cores
    quick: bool = False  # whether measure() takes quick=True


PARTS = (
    Part("vehicle.layers", 0.7, quick=True),
    Part("vehicle.stages", 2.0, quick=True),
    Part("node.overhead", 1.5, quick=True),
    Part("vehicle.engines", 13.0, quick=True),
    Part("core.codec", 1.5),
    Part("core.pairing", 0.5),
    Part("core.geometry", 0.5),
    Part("core.boxes", 0.5),
    Part("node.objects", 0.2),
    Part("core.words", 0.5),
    Part("training.losses", 0.5),
    Part("training.label_cache", 0.2),
    Part("training.scene_features", 1.0),
    Part("training.pretrain_data", 1.0),
    Part("training.pretrain_step", 2.0),
    Part("training.throughput", 1.5),
    Part("node.transport", 1.0),
    Part("node.latency", 4.0),
    Part("node.words", 2.0),
    Part("node.ensemble", 2.0),
)
PART_OF = {part.name: part for part in PARTS}
