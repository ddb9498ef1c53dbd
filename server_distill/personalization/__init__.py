"""A subject from photos, on a desktop."""
