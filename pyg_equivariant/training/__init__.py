"""Train networks on anyone's structures: potentials, and any other property."""

try:
    import lightning as _lightning  # noqa: F401
    import torchmetrics as _torchmetrics  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"pyg_equivariant.training needs {error.name}; install it, and all else that "
        'training takes, with pip install "pyg_equivariant[training]"'
    ) from error

from .fitting import fit
from .prediction import predict
from .structures import Structures

__all__ = ["fit", "predict", "Structures"]
