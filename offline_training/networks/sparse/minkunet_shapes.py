"""The named sizes of MinkUNet. No PyTorch is needed to know them."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class MinkUNetShape:
    """Sizes of one network: four stages down, four up."""

    stem: int  # channels of the stem
    planes: tuple[int, ...]  # channels of the eight stages
    blocks: tuple[int, ...]  # residual blocks of the eight stages
    stem_convs: int = 2  # convolutions of the stem
    stem_kernel: int = 3  # voxels along each side of theirs: 3, or 5 for a single one
    head_bias: bool = False


# The 5^3 stem of the MinkUNets of the papers stands here as two 3^3, which are faster, as one neighbour table serves every layer
# of a level, but see less: a neighbour two voxels away only over one between. `stem_kernel: 5` of a configuration is the papers'.
SHAPES: Mapping[str, MinkUNetShape] = {
    "minkunet_14a": MinkUNetShape(32, (32, 64, 128, 256, 128, 128, 96, 96), (1,) * 8),
    "minkunet_18a": MinkUNetShape(32, (32, 64, 128, 256, 128, 128, 96, 96), (2,) * 8),
    "minkunet_34c": MinkUNetShape(32, (32, 64, 128, 256, 256, 128, 96, 96), (2, 3, 4, 6, 2, 2, 2, 2)),
    # SR-UNet of PPKT, SLidR and OLIVINE: one 3^3 stem convolution, head with bias.
    "res16unet_34c": MinkUNetShape(
        32, (32, 64, 128, 256, 256, 128, 96, 96), (2, 3, 4, 6, 2, 2, 2, 2), stem_convs=1, head_bias=True
    ),
    # For CPUs. Widths are multiples of 16: they fill vector registers.
    "minkunet_small": MinkUNetShape(32, (32, 48, 64, 96, 96, 64, 48, 32), (1,) * 8, stem_convs=1, head_bias=True),
}


def weight_count(shape: MinkUNetShape, in_channels: int) -> int:
    """Trained numbers of a MinkUNet without its head: convolutions of 125, 27 or 8 offsets, shortcuts, and two for each normed channel."""
    widths = (in_channels, *(shape.stem,) * shape.stem_convs)
    count = sum(shape.stem_kernel**3 * before * after + 2 * after for before, after in pairwise(widths))
    skips = (shape.stem, *shape.planes[:3])  # finest first
    for skip, plane, blocks in zip(skips, shape.planes[:4], shape.blocks[:4], strict=True):
        count += 8 * skip * skip + 2 * skip + _of_blocks(skip, plane, blocks)
    below = shape.planes[3]
    for skip, plane, blocks in zip(reversed(skips), shape.planes[4:], shape.blocks[4:], strict=True):
        count += 8 * below * plane + 2 * plane + _of_blocks(plane + skip, plane, blocks)
        below = plane
    return count


def _of_blocks(before: int, after: int, count: int) -> int:
    """Of residual blocks, the first of which changes the width."""
    convolutions = 27 * after * (before + after * (2 * count - 1)) + 2 * after * 2 * count
    return convolutions + (before * after + 2 * after if before != after else 0)
