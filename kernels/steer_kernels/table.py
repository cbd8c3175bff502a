"""One edit of one site as numbers: what is read, what is written, and the function between.

    p  = R h                                                         k projections of a row h
    f  = offset + gain * p + (clamp(p, low, high) - p) + radial * rho
    h' = h + W^T (s * g(h) * f)                                      with keep_norm then rescaled to |h|

`rho` is the length of a pair of projections: rows 0 and 1, 2 and 3, ... `g` is 1, or a gate on the row's own direction.
Knows tensors only; the functions below carry the names of the published edits.
"""

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from steer_kernels.errors import TableError

COLUMNS = ("offset", "gain", "low", "high", "radial")
HEAD = 16  # columns before the directions in a packed table; 64 bytes, so that what is read starts on a line of the cache
_ORTHONORMAL = 1e-3
_PLAIN = (0.0, 0.0, -math.inf, math.inf, 0.0)


Arguments = tuple[Tensor, Tensor, Tensor, Tensor | None, float, float, bool, bool]


@dataclass(frozen=True, eq=False)
class Gate:
    """Per row: `g(h) = sigmoid(sharpness * (<h, query> / |h| - threshold))`; infinitely sharp, a step (CAST, 2409.05907).

    Args:
        query: `[d]` float32, a unit vector that the row is compared with. A row of zeros has cosine 0.
        threshold: Cosine. A step is open above it, closed at it and below.
        sharpness: Per unit of cosine, above 0; infinite = step.

    Raises:
        TableError: A query that is no unit vector, a threshold that is not finite, a sharpness that is not above 0.
    """

    query: Tensor
    threshold: float
    sharpness: float = math.inf

    def __post_init__(self) -> None:
        length = float(self.query.detach().norm())
        if self.query.ndim != 1 or not abs(length - 1) < 1e-3:
            raise TableError(
                f"a gate's query of shape {list(self.query.shape)} and length {length:.3g}",
                "a unit vector [d]",
                "divide it by its length",
            )
        if not math.isfinite(self.threshold) or not self.sharpness > 0:
            raise TableError(
                f"threshold {self.threshold} and sharpness {self.sharpness}",
                "a finite threshold and a sharpness above 0",
                "choose a cosine such as 0.1",
            )


@dataclass(frozen=True, eq=False)
class Table:
    """k rank-one edits of a row `h`, applied at once. Build another rather than change its tensors.

    Args:
        read: `[k, d]` float32, the directions that are projected on.
        write: `[k, d]` float32, the directions that are moved along.
        terms: `[k, 5]` float32, see `terms`.
        gate: Opens and closes the edit per row; None = open.
        keep_norm: An edited row is rescaled to the length it had.

    Raises:
        TableError: Shapes that do not fit each other, values that are not finite, bounds that cross, half a pair.
    """

    read: Tensor
    write: Tensor
    terms: Tensor
    gate: Gate | None = None
    keep_norm: bool = False
    # Laid out once, for they are wanted at every layer and token: what `naive` takes, and all of it for the op.
    arguments: Arguments = field(init=False, repr=False)
    # None while it is being trained: what was laid out would be old.
    packed: Tensor | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        shape = self.read.shape
        query = shape[1:] if self.gate is None else self.gate.query.shape
        if (
            self.read.ndim != 2
            or self.write.shape != shape
            or self.terms.shape != (*shape[:1], len(COLUMNS))
            or query != shape[1:]
            or 0 in shape
        ):
            raise TableError(
                f"read {list(shape)}, write {list(self.write.shape)}, terms {list(self.terms.shape)}, query {list(query)}",
                "read [k, d], write [k, d], terms [k, 5], query [d]",
                "build tables with add_table, ablate_table, ...",
            )
        offset, gain, low, high, radial = self.terms.unbind(-1)
        numbers = (self.read, self.write, offset, gain, radial)
        if not all(torch.isfinite(t).all() for t in numbers) or not (low <= high).all():
            raise TableError(
                "a table with NaN or infinite values, or with a lower bound above the upper",
                "finite values and low <= high",
                "extract the direction again",
            )
        if any(
            t.dtype != torch.float32 or not t.is_contiguous() for t in (self.read, self.write, self.terms)
        ):
            raise TableError(
                "a table in another dtype, or not contiguous",
                "contiguous float32",
                "use .float().contiguous()",
            )
        rotates = bool((radial != 0).any())
        if rotates and self.k % 2:
            raise TableError(f"a rotation in {self.k} rows", "pairs of rows", "give both axes of the plane")
        gate = self.gate
        opened = (None, 0.0, 0.0) if gate is None else (gate.query, gate.threshold, gate.sharpness)
        arguments = (self.read, self.write, self.terms, *opened, rotates, self.keep_norm)
        object.__setattr__(self, "arguments", arguments)
        trained = any(t is not None and t.requires_grad for t in arguments[:4])
        object.__setattr__(self, "packed", None if trained else _pack(self))

    @property
    def k(self) -> int:
        """Number of rank-one edits."""
        return len(self.read)

    def gated(self, gate: Gate) -> "Table":
        """The same edit behind a gate."""
        return replace(self, gate=gate)

    def keeping_norm(self) -> "Table":
        """The same edit, after which a row has the length it had (repeng)."""
        return replace(self, keep_norm=True)

    def to(self, device: torch.device) -> "Table":
        """The same table on `device`."""
        if self.read.device == device:
            return self
        gate = self.gate and replace(self.gate, query=self.gate.query.to(device))
        read, write, terms = (t.to(device) for t in (self.read, self.write, self.terms))
        return replace(self, read=read, write=write, terms=terms, gate=gate)


def _pack(table: Table) -> Tensor:
    """One tensor `[2 k (+ 1 with a gate), HEAD + d]`, because every argument of an op costs time at every layer and token.

    Row j < k: the terms of direction j, then what it reads. Row k + j: what it writes; the first two numbers of row k are
    1 where norms are kept, and where what is written is what is read (then one copy of it stays in the nearest cache).
    Last row: threshold and sharpness of the gate, then its query.
    """
    k, d = table.read.shape
    packed = torch.zeros(2 * k + (table.gate is not None), HEAD + d, device=table.read.device)
    packed[:k, : len(COLUMNS)] = table.terms
    packed[:k, HEAD:] = table.read
    packed[k : 2 * k, HEAD:] = table.write
    packed[k, 0], packed[k, 1] = float(table.keep_norm), float(torch.equal(table.read, table.write))
    if table.gate is not None:
        packed[-1, 0], packed[-1, 1] = table.gate.threshold, table.gate.sharpness
        packed[-1, HEAD:] = table.gate.query.detach()
    return packed


def unpack(packed: Tensor) -> Arguments:
    """What `naive` takes, from a packed table."""
    k = len(packed) // 2
    terms, read, write = packed[:k, : len(COLUMNS)], packed[:k, HEAD:], packed[k : 2 * k, HEAD:]
    rotates, keep_norm = bool((terms[:, 4] != 0).any()), bool(packed[k, 0])
    if len(packed) == 2 * k:
        return read, write, terms, None, 0.0, 0.0, rotates, keep_norm
    return (
        read,
        write,
        terms,
        packed[-1, HEAD:],
        float(packed[-1, 0]),
        float(packed[-1, 1]),
        rotates,
        keep_norm,
    )


def terms(k: int, **columns: Tensor | float) -> Tensor:
    """The function between reading and writing, one row per direction.

    Args:
        k: Number of directions.
        **columns: `[k]` or a number each. `offset`: moved whatever the projection is, in activation units (default 0).
            `gain`: moved per unit of projection (0); -1 removes it. `low`, `high`: bounds of the projection (none).
            `radial`: moved per unit of length of the pair of projections (0).

    Returns:
        `[k, 5]` float32.

    Raises:
        TableError: A column that is neither one number nor k.
    """
    found = []
    for name, plain in zip(COLUMNS, _PLAIN, strict=True):
        column = torch.as_tensor(columns.get(name, plain), dtype=torch.float32).cpu().reshape(-1)
        if len(column) not in (1, k):
            raise TableError(
                f"{len(column)} numbers of {name} for {k} directions", "one, or one each", "match them"
            )
        found.append(column.expand(k))
    return torch.stack(found, -1)


def add_table(units: Tensor, gaps: Tensor | float) -> Table:
    """Move along k unit vectors; strength 1 is one class gap (ActAdd 2308.10248, CAA 2312.06681).

    Args:
        units: `[k, d]` or `[d]`, unit vectors.
        gaps: `[k]` or a number, class gaps in activation units.
    """
    units = _rows(units)
    return _table(torch.zeros_like(units), units, offset=gaps)


def ablate_table(units: Tensor) -> Table:
    """Remove the projection on k orthonormal vectors; strength 1 removes all of it (Arditi et al. 2406.11717, section 2.4).

    Args:
        units: `[k, d]` or `[d]`, orthonormal rows.
    """
    units = _rows(units)
    return _dual(units, units, gain=-1.0)


def affine_table(units: Tensor, references: Tensor | float, read: Tensor | None = None) -> Table:
    """Set the projection on k orthonormal vectors to a reference's (ACE, Marshall et al. 2411.09003; mean ablation).

    Args:
        units: `[k, d]` or `[d]`, orthonormal rows.
        references: `[k]` or a number, projections in activation units.
        read: `[k, d]` or `[d]`, what reads the concept where that is not the projection (LEACE, 2306.03819); `read @ units.T`
            is the identity, so that what was set is read again.
    """
    units = _rows(units)
    return _dual(units if read is None else _rows(read), units, offset=references, gain=-1.0)


def clamp_table(
    units: Tensor,
    low: Tensor | float = -math.inf,
    high: Tensor | float = math.inf,
    read: Tensor | None = None,
) -> Table:
    """Keep the projection on k orthonormal vectors within bounds (activation capping, the assistant axis).

    Args:
        units: `[k, d]` or `[d]`, orthonormal rows.
        low: `[k]` or a number, least projection in activation units; default none.
        high: `[k]` or a number, greatest projection; default none.
        read: As in `affine_table`.
    """
    units = _rows(units)
    return _dual(units if read is None else _rows(read), units, low=low, high=high)


def map_table(read: Tensor, write: Tensor) -> Table:
    """Move along `write` by what `read` sees: `h' = h + s W^T R h` (AlphaSteer 2506.07022, of rank k).

    Args:
        read: `[k, d]` or `[d]`, learned.
        write: `[k, d]` or `[d]`, any length.
    """
    return _table(_rows(read), _rows(write), gain=1.0)


def rotate_table(plane: Tensor, angle: float) -> Table:
    """Turn the part of a row that lies in a plane to an angle, its length kept (Angular Steering, 2510.26243).

    Args:
        plane: `[2, d]`, orthonormal rows: the axis at 0 and the axis at a quarter turn.
        angle: Radians, measured from the first row towards the second.
    """
    aims = torch.tensor([math.cos(angle), math.sin(angle)])  # of both axes
    # cos and sin of a right angle are not exactly 0, and need not be: a pair rotates if either is not.
    return _dual(_rows(plane), _rows(plane), gain=-1.0, radial=aims)


def _table(read: Tensor, write: Tensor, **columns: Tensor | float) -> Table:
    return Table(read, write, terms(len(read), **columns).to(read.device))


def _dual(read: Tensor, write: Tensor, **columns: Tensor | float) -> Table:
    """A table that sets projections: only where `read @ write.T` is the identity they are what was asked for."""
    table = _table(read, write, **columns)
    off = float((read @ write.T - torch.eye(table.k, device=read.device)).abs().max())
    if not off <= _ORTHONORMAL:
        raise TableError(
            f"rows whose products are off by {off:.2g} from those of orthonormal ones",
            "orthonormal rows (read @ units.T the identity)",
            "divide one direction by its length; take torch.linalg.qr of several",
        )
    return table


def _rows(units: Tensor) -> Tensor:
    # A copy: the table must not change with the tensor it was made from.
    return units.detach().float().reshape(-1, units.shape[-1]).clone(memory_format=torch.contiguous_format)
