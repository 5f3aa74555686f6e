"""Activations of single numbers, with two derivatives in one pass each."""
