"""Fresh weights of a MinkUNet as MinkowskiEngine draws them, with which PPKT, SLidR and OLIVINE trained."""

import torch
from torch import nn

from offline_training.networks.sparse.convolution import DownConv, SubmanifoldConv, UpConv, WideConv


@torch.no_grad()
def draw_as_minkowski(network: nn.Module) -> None:
    """Draw the kernels of all sparse convolutions anew, uniform within 1 / sqrt(channels times offsets of the kernel).

    Channels are those of the input, for an inverse convolution those of the output, as MinkowskiEngine counts. Its 1x1x1
    convolutions are linear layers here, which PyTorch draws by the same rule; norms begin alike, too.
    """
    for module in network.modules():
        if isinstance(module, SubmanifoldConv | WideConv | DownConv | UpConv):
            offsets, c_in, c_out = module.weight.shape
            bound = (offsets * (c_out if isinstance(module, UpConv) else c_in)) ** -0.5
            module.weight.uniform_(-bound, bound)
