"""The op: one low-rank read-write update of rows of activations. Knows tensors, not models."""

from steer_kernels.errors import SteerError, TableError
from steer_kernels.op import edit_
from steer_kernels.table import Table, ablate_table, add_table, affine_table

__all__ = ["SteerError", "Table", "TableError", "ablate_table", "add_table", "affine_table", "edit_"]
