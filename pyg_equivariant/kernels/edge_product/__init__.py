"""Features of edges times those of their targets, channel by channel."""
