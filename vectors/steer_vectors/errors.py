"""The errors of this room, all for people: one line, got, expected, do this.

SteerError
├── ContrastError     a contrast set that cannot be read or used
├── ModelError        a model that cannot be loaded or has no chat template
├── SiteError         a layer or a position that this model does not have
├── VectorFileError   a vector file that cannot be read or written
└── MismatchError     a vector that belongs to another model
"""

from steer_kernels.errors import SteerError


class ContrastError(SteerError):
    """A contrast set cannot be read, or one of its classes is empty."""


class ModelError(SteerError):
    """A model or its tokenizer cannot be loaded, or lacks what chat needs."""


class SiteError(SteerError):
    """A layer or a position does not exist in this model or prompt."""


class VectorFileError(SteerError):
    """A vector file is missing, damaged, of another version, or not writable."""


class MismatchError(SteerError):
    """A vector was made on another model than the one at hand."""
