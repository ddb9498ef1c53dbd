"""Scores of pictures, and the pictures that are scored."""
