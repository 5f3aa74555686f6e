"""Compiling C, and what its kernels share."""
