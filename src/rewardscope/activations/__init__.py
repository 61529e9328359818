"""Activations of the layers that changed most: read, stored, summed up."""
