"""Products of matrices where torch is slow."""
