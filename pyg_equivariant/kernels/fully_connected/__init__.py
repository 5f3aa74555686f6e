"""The fully connected tensor product with weights that all rows share."""
