"""Train a network on a property of molecules, whatever data set they come from.

A data set adds a folder of its own, such as :mod:`training.qm9`, which alone knows it.
"""
