"""The GPU of this machine, where there is one."""

from dataclasses import dataclass

from lidar_vl_core.engines.tensorrt.cuda import Cuda
from lidar_vl_core.foundation.errors import EngineUnavailable


@dataclass(frozen=True)
class Gpu:
    """The first GPU that CUDA sees."""

    model: str  # as its maker calls it
    capability: tuple[int, int]
    memory_bytes: int

    @property
    def target(self) -> str:
        """The GPU's target as plans name it: "sm89"."""
        major, minor = self.capability
        return f"sm{major}{minor}"

    @property
    def name(self) -> str:
        """Model and capability, as they stand beside a plan that was built for this GPU."""
        return f"{self.model} ({self.target})"


def require_gpu(cuda: Cuda | None = None) -> Gpu:
    """The GPU that is here. Raises EngineUnavailable with the cause where none can be used."""
    try:
        cuda = cuda or Cuda()
        count, cause = cuda.device_count(), "CUDA sees none"
    except EngineUnavailable as error:
        count, cause = 0, str(error)
    if cuda is None or count < 1:
        raise EngineUnavailable(
            f"no GPU: expected an NVIDIA GPU with its driver, found: {cause.rstrip('.')}. Use engine fused; or, to build a plan "
            "for another machine's RTX card, name its target, such as sm89."
        )
    return Gpu(*cuda.device())
