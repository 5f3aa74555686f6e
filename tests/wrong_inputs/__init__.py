"""Every public callable that takes tensors, and what must become of wrong ones.

``python -m wrong_inputs`` in the folder ``tests`` calls them, see ``__main__``.
"""
