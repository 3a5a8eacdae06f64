"""The interface of an image tower to the model around it: a grid of cells in the space of words."""

from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from torch import Tensor, nn


class ImageTower(Protocol):
    """Processes batches of windows, normalised as the model requires, whose sides are multiples of `cell_px`."""

    channels: int  # C, width of the text space
    cell_px: int  # side of a cell

    def cells(self, windows: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, C, H / cell_px, W / cell_px)."""
        ...

    def of_grid(self, grid: tuple[int, int]) -> "CellsOfTower[Any]":
        """A copy on the CPU for windows of this grid (h, w) only, with position embeddings already interpolated."""
        ...


@runtime_checkable
class HasKeys(Protocol):
    """A tower whose last attention has keys, which are similar for image regions that belong together (MaskCLIP)."""

    def keys(self, windows: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, D, H / cell_px, W / cell_px) keys of the last block, sent through its output projection."""
        ...


TowerT = TypeVar("TowerT", bound=ImageTower)


class CellsOfTower(nn.Module, Generic[TowerT]):
    """A tower as a torch module, so that an exporter sees all weights: its forward is `cells`."""

    def __init__(self, tower: TowerT, *parts: nn.Module) -> None:
        """parts: the modules that the tower runs."""
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.tower = tower

    def forward(self, windows: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, C, h, w)."""
        return self.tower.cells(windows)
