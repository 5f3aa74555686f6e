"""Linear maps whose matrices depend on the species of a node."""
