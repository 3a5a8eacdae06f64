"""How fast the running statistics of a MinkUNet's batch norms follow the batches."""

from offline_training.networks.base.voxel_norm import VoxelNorm
from offline_training.networks.sparse.minkunet import BasicBlock, MinkUNet


def set_norm_momentum(network: MinkUNet, momentum: float) -> None:
    """Give the norms of stem, strided, inverse and shortcut convolutions a momentum; those inside blocks keep 0.1.

    So does SR-UNet in PPKT's, SLidR's and OLIVINE's code: its setting never reaches the blocks.
    """
    in_blocks = {
        norm for block in network.modules() if isinstance(block, BasicBlock) for norm in (block.norm1, block.norm2)
    }
    for module in network.modules():
        if isinstance(module, VoxelNorm) and module not in in_blocks:
            module.momentum = momentum
