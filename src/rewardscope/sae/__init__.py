"""Sparse autoencoders: the model, its training, and what their dictionaries share."""
