"""The equation in plain torch: slow to nobody, and the judge of every faster path. Knows tensors only."""

import torch
from torch import Tensor

from steer_kernels.table import Table


def edit_(hidden: Tensor, table: Table, strength: Tensor) -> Tensor:
    """`h' = h + W^T (s * (a + b * R h))`, in place; a row whose strengths are all 0 keeps its bits.

    Arithmetic is float32 whatever the activations are. Arguments were checked by `op.edit_`.
    """
    table = table.to(hidden.device)
    exact = hidden.float()  # [..., d]
    projection = exact @ table.read.T  # [..., k]
    change = strength * (table.offset + table.gain * projection)
    edited = (exact + change @ table.write).to(hidden.dtype)
    # Adding 0 is not the identity to the bit: -0.0 + 0.0 is 0.0, and 0 times an infinite activation is NaN.
    touched = (strength != 0).any(-1, keepdim=True)
    return hidden.copy_(torch.where(touched, edited, hidden))
