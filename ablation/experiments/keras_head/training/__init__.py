"""Computations of a worker: features, heads, epochs. These modules load a backend."""
