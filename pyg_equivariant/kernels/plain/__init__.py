"""Tensor products in plain torch: the specification, and few large products."""
