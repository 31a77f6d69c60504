"""Ultralytics: args.yaml and results.csv, a line an epoch; older versions wrote columns with leading blanks."""

from ablation.sources.readers.collector import course
from ablation.sources.readers.presets.job import Job, Preset, Results, merged

SETTINGS, METRICS = "args.yaml", "results.csv"


def settings(job: Job) -> dict[str, object]:
    """Return the arguments of the training."""
    return merged(job, [SETTINGS])


def results(job: Job) -> Results:
    """Return the curves over the epochs. The tool's best.pt is chosen by its own fitness and is not the last line."""
    return Results(course(job.csv(METRICS), ("epoch",)) if METRICS in job.paths else {})


PRESET = Preset((SETTINGS,), settings, results)
