"""Documents: where texts come from."""
