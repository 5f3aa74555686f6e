"""What is known of QM9: its properties, units, splits, and the papers' settings."""
