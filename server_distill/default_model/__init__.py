"""The shipped model: its pictures, its training, its scores."""
