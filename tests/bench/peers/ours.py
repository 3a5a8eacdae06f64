"""Our own convolutions in one form, as a side of the comparison."""

from torch import Tensor, nn

from offline_training.networks.sparse.convolution import DownConv, SubmanifoldConv, UpConv
from offline_training.networks.sparse.maps import SparseMaps
from tests.bench.peers.peer import Kind, Peer

_LAYER = {"submanifold": SubmanifoldConv, "down": DownConv, "up": UpConv}


class Ours(Peer):
    """One of maps.FORMS."""

    modules = ("torch",)

    def __init__(self, form: str, levels: int = 5) -> None:
        self.name, self._form, self._levels = f"ours, {form}", form, levels
        if form == "torchsparse":
            self.modules = ("torchsparse",)
        elif form == "triton":
            self.modules = ("triton",)

    def geometry(self, voxels: Tensor) -> SparseMaps:
        """Tables of all levels."""
        maps = SparseMaps(voxels, self._levels, self._form)
        _ = maps.tables
        return maps

    def layer(self, kind: Kind, weight: Tensor) -> nn.Module:
        """The layer of the product."""
        layer = _LAYER[kind](*weight.shape[1:])
        layer.weight = nn.Parameter(weight.detach().clone())
        return layer
