"""Symmetric powers of features, contracted with weights of the species."""
