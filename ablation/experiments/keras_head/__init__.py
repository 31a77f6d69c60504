"""Experiment of the paper: a dense head on a convolutional backbone, trained with Keras on images."""
