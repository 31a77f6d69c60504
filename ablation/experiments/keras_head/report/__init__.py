"""Warnings that apply to image data only."""
