"""What the training examples share: one idea to a module."""
