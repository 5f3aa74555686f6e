"""Linear maps that mix channels, steered by an attribute."""
