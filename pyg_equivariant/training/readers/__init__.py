"""Readers of anyone's structures: each makes the one table that training takes."""

from .ase_files import read_ase
from .md17 import read_rmd17
from .pyg_data import from_dataset
from .reading import Reading

__all__ = ["Reading", "read_ase", "read_rmd17", "from_dataset"]
