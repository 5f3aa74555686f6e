"""E(3)-equivariant layers for PyTorch Geometric.

The floors, lowest first; a module imports only from floors below its own:

- :mod:`pyg_equivariant.o3`: irreps, Clebsch-Gordan, harmonics, Wigner matrices;
- :mod:`pyg_equivariant.kernels`: how tensor products are computed;
- :mod:`pyg_equivariant.graph`: neighbor lists and edge vectors;
- :mod:`pyg_equivariant.nn`: steerable modules, convolutions and networks;
- :mod:`pyg_equivariant.networks`: the registry of networks;
- :mod:`pyg_equivariant.transforms`, :mod:`pyg_equivariant.datasets`,
  :mod:`pyg_equivariant.interop`, :mod:`pyg_equivariant.testing`.
"""

__version__ = "0.1.0"
