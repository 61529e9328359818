"""Features in words."""
