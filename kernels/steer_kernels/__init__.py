"""The op: one low-rank read-write update of rows of activations. Knows tensors, not models.

Names are loaded when used: whoever only needs the error class does not pay for torch.
"""

from importlib import import_module as _import
from typing import TYPE_CHECKING, Any

from steer_kernels.errors import SteerError, TableError

if TYPE_CHECKING:
    from steer_kernels.op import edit_
    from steer_kernels.table import Table, ablate_table, add_table, affine_table

__all__ = ["SteerError", "Table", "TableError", "ablate_table", "add_table", "affine_table", "edit_"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'steer_kernels' has no attribute {name!r}")
    return getattr(_import(f"steer_kernels.{'op' if name == 'edit_' else 'table'}"), name)
