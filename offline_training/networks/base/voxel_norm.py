"""The norm of every 3D network: batch norm over rows, of which there may be one or none."""

from torch import Tensor, nn


class VoxelNorm(nn.BatchNorm1d):
    """Batch norm over voxels that also takes one voxel or none: it then uses the running statistics."""

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C). Returns (N, C)."""
        if self.training and len(x) < 2:
            return nn.functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        return super().forward(x)
