"""Presets of folders of configuration and metrics: one module a tool. The order is that of detection."""

from ablation.sources.readers.presets import huggingface, hydra, lightning, ray, sacred, ultralytics

PRESETS = {
    "hydra": hydra.PRESET,
    "sacred": sacred.PRESET,
    "huggingface": huggingface.PRESET,
    "ultralytics": ultralytics.PRESET,
    "ray": ray.PRESET,
    "lightning": lightning.PRESET,
}
