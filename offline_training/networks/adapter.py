"""TextAdapter: the small layer of 3DSS-VLG that specialises averaged image features to a list of classes."""

from torch import Tensor, nn


class TextAdapter(nn.Module):
    """A(x) = (1 - mix) fc(x) + mix x, with fc two linear layers through a bottleneck and nothing between them.

    An affine map, so the mean of adapted features is the adapted mean: features may be averaged before or after. 295,680
    parameters for 768 channels and a reduction of 4.
    """

    def __init__(self, channels: int, reduction: int = 4, mix: float = 0.05) -> None:
        """channels: C; reduction: C over the width between the layers; mix: share of the input in the output."""
        super().__init__()
        if not 1 <= reduction <= channels:
            raise ValueError(f"reduction: expected 1 to {channels}, the channels, found {reduction}")
        if not 0.0 <= mix <= 1.0:
            raise ValueError(f"mix: expected 0 to 1, found {mix}")
        self.channels, self.mix = channels, mix
        self.down = nn.Linear(channels, channels // reduction, bias=False)
        self.up = nn.Linear(channels // reduction, channels)

    def forward(self, feature: Tensor) -> Tensor:
        """feature: (..., C). Returns (..., C)."""
        return (1.0 - self.mix) * self.up(self.down(feature)) + self.mix * feature
