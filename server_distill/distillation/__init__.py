"""A teacher's UNet into a smaller student."""
