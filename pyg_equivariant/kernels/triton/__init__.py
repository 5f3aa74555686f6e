"""Compiling Triton kernels."""
