"""One edit of one site as numbers: what is read, what is written, and the function between."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from steer_kernels.errors import TableError


@dataclass(frozen=True, eq=False)
class Table:
    """k rank-one edits of a row `h`: `h' = h + write^T (s * (offset + gain * read h))`.

    Args:
        read: `[k, d]` float32, the directions that are projected on.
        write: `[k, d]` float32, the directions that are moved along.
        offset: `[k]` float32, moved whatever the projection is, in activation units.
        gain: `[k]` float32, moved per unit of projection; -1 removes it.

    Raises:
        TableError: Shapes that do not fit each other, or values that are not finite.
    """

    read: Tensor
    write: Tensor
    offset: Tensor
    gain: Tensor

    def __post_init__(self) -> None:
        k = self.read.shape[:1]
        if (
            self.read.ndim != 2
            or self.write.shape != self.read.shape
            or self.offset.shape != k
            or self.gain.shape != k
        ):
            shapes = ", ".join(f"{f.name} {list(getattr(self, f.name).shape)}" for f in fields(self))
            raise TableError(
                shapes, "read [k, d], write [k, d], offset [k], gain [k]", "build tables with add or ablate"
            )
        if not all(torch.isfinite(getattr(self, f.name)).all() for f in fields(self)):
            raise TableError(
                "a table with NaN or infinite values", "finite values", "extract the direction again"
            )

    @property
    def k(self) -> int:
        """Number of rank-one edits."""
        return len(self.offset)

    def to(self, device: torch.device) -> "Table":
        """The same table on `device`."""
        if self.read.device == device:
            return self
        return Table(*(getattr(self, f.name).to(device) for f in fields(self)))


def add_table(units: Tensor, gaps: Tensor) -> Table:
    """Move along k unit vectors; strength 1 is one class gap (ActAdd, CAA).

    Args:
        units: `[k, d]` or `[d]`, unit vectors.
        gaps: `[k]` or a scalar, class gaps in activation units.
    """
    units = _rows(units)
    gaps = torch.as_tensor(gaps, dtype=torch.float32, device=units.device).reshape(-1)
    return Table(torch.zeros_like(units), units, gaps, torch.zeros_like(gaps))


def ablate_table(units: Tensor) -> Table:
    """Remove the projection on k orthonormal vectors; strength 1 removes all of it (Arditi et al. 2406.11717, section 2.4).

    Args:
        units: `[k, d]` or `[d]`, orthonormal rows.
    """
    units = _rows(units)
    zeros = units.new_zeros(len(units))
    return Table(units, units, zeros, zeros - 1)


def affine_table(units: Tensor, references: Tensor) -> Table:
    """Set the projection on k orthonormal vectors to a reference's (ACE, Marshall et al. 2411.09003; mean ablation).

    Args:
        units: `[k, d]` or `[d]`, orthonormal rows.
        references: `[k]` or a scalar, projections in activation units.
    """
    bare = ablate_table(units)
    offset = torch.as_tensor(references, dtype=torch.float32, device=bare.read.device).reshape(-1)
    return Table(bare.read, bare.write, offset, bare.gain)


def _rows(units: Tensor) -> Tensor:
    return units.detach().float().reshape(-1, units.shape[-1])
