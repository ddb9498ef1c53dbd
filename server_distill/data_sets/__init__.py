"""Pictures with captions, and their latents on disk."""
