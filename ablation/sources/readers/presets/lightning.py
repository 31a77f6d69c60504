"""Lightning: version_*/hparams.yaml and the CSVLogger's metrics.csv."""

from ablation.sources.readers.collector import course
from ablation.sources.readers.presets.job import Job, Preset, Results, merged

SETTINGS, METRICS = ("config.yaml", "hparams.yaml"), "metrics.csv"


def settings(job: Job) -> dict[str, object]:
    """Return the hyperparameters; a list is stated with its length, which may be what an ablation varies."""
    values = merged(job, SETTINGS)
    return values | {f"{name}.length": len(value) for name, value in values.items() if isinstance(value, tuple)}


def results(job: Job) -> Results:
    """Return the curves over the global step; train and validation have lines of their own, with empty cells."""
    return Results(course(job.csv(METRICS), ("step", "epoch")) if METRICS in job.paths else {})


PRESET = Preset(("hparams.yaml", METRICS), settings, results)
