"""Gates in one pass."""
