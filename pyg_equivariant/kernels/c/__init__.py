"""C compiled when it is first needed, and what its kernels share."""
