"""Spherical harmonics with analytic derivatives."""
