"""The number of the convention that weights and features follow."""

from __future__ import annotations

CONVENTION = 1
"""Stored in every checkpoint that depends on it, and compared on loading.

1. Layout ``ir_mul``; basis, signs and norms of harmonics and Clebsch-Gordan
   coefficients as in e3nn 0.5 and later; tensor-product weights path after path.
"""
