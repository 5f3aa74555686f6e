"""SiLU on scalars and sigmoids that multiply other irreps, in one pass."""
