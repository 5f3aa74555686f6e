"""The commands of ``python -m pyg_equivariant``, a module each, loaded when called."""
