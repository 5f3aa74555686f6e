"""The tensor product in plain torch: its specification, and few large products."""
