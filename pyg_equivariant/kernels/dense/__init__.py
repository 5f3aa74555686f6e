"""Matrices and activations, where torch is slow."""
