"""Hydra: a job a folder, with .hydra/config.yaml and a file of metrics of the user's own."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from typing import Any

from ablation.errors import AblateError
from ablation.sources.readers.collector import course, step_name
from ablation.sources.readers.documents import yaml_value
from ablation.sources.readers.objects import parted
from ablation.sources.readers.presets.job import Job, Preset, Results, merged
from ablation.sources.readers.tree import SHOWN
from ablation.sources.runs import flat

CONFIG, OVERRIDES, CHOICES = ".hydra/config.yaml", ".hydra/overrides.yaml", ".hydra/hydra.yaml"
LIKELY = ("metric", "result", "score", "eval", "test", "summary", "history", "log")  # words in names of such files
NO_METRICS = re.compile(r"(^|/)(\.|[^/]*(config|params|args|setting)[^/]*$)")  # hidden, or settings again
KINDS = (".csv", ".jsonl", ".ndjson", ".json")


def settings(job: Job) -> dict[str, object]:
    """Return all keys of a job, and the options of its groups that its command or Hydra's own file names."""
    keys = merged(job, [CONFIG])
    groups = {name: option for name, option in flat(_choices(job)).items() if not name.startswith("hydra/")}
    return {**overrides(job), **groups, **keys}


def _choices(job: Job) -> Mapping[str, Any]:
    """Return the option that Hydra chose for each group of its config."""
    content: Any = job.mapping(CHOICES)
    for key in ("hydra", "runtime", "choices"):
        content = content.get(key) if isinstance(content, dict) else None
    return content if isinstance(content, dict) else {}


def overrides(job: Job) -> dict[str, object]:
    """Return the keys that the command line of a job sets."""
    path = job.paths.get(OVERRIDES)
    texts = job.tree.yaml(path) if path else []
    texts = texts if isinstance(texts, list) else []
    pairs = (text.partition("=") for text in texts if isinstance(text, str) and not text.startswith("~"))
    return {name.lstrip("+").partition("@")[0]: override_value(text) for name, sign, text in pairs if sign}


def override_value(text: str) -> object:
    """Return the value in an override: 'random' in quotes is text, [1, 2] a tuple."""
    quoted = re.fullmatch(r"(['\"])(.*)\1", text.strip(), re.DOTALL)
    if quoted:
        return quoted[2]
    try:
        return flat({"value": yaml_value(text, "override")}).get("value", text)
    except AblateError:
        return text


def choose(jobs: Sequence[Job]) -> str:
    """Return the pattern of the file that most likely holds the metrics of all jobs; a number in it may differ."""
    names = Counter(re.sub(r"\d+", "*", name) for job in jobs for name in candidates(job))
    chosen = min(names, key=lambda name: (*_rank(name), -names[name], name), default="")
    if len(names) > 1:
        others = [name for name in names if name != chosen]
        jobs[0].tree.remark(f"Metrics are read from {chosen}, not from", ", ".join(sorted(others)[:SHOWN]))
    return chosen


def candidates(job: Job) -> list[str]:
    """Return the names of the files of a job that may hold metrics."""
    return [name for name in job.paths if name.endswith(KINDS) and not NO_METRICS.search(name)]


def _rank(name: str) -> tuple[int, int, int]:
    """Return the key of an order in which the most likely file of metrics is first."""
    stem = name.rsplit("/", 1)[-1].lower()
    word = next((position for position, word in enumerate(LIKELY) if word in stem), len(LIKELY))
    return word, name.count("/"), next(position for position, kind in enumerate(KINDS) if name.endswith(kind))


def results(job: Job) -> Results:
    """Return the results of a job.

    The lines of a CSV that has several and no column of a step are runs of their own.
    """
    name = next((name for name in candidates(job) if fnmatch(name, job.metrics)), None)
    if name is None:
        return Results()
    if name.endswith(".csv"):
        return of_lines(job.csv(name))
    content = job.json(name) if name.endswith(".json") else job.json_lines(name)
    if isinstance(content, list):
        return of_lines(content)
    fields, curves, _ = parted(content if isinstance(content, dict) else {})
    return Results(curves, fields)


def of_lines(lines: Sequence[Any]) -> Results:
    """Return the results of lines: a course where they have a step, one run, or a run each."""
    lines = [flat(line) for line in lines if isinstance(line, Mapping)]
    if any(step_name(line) for line in lines):
        return Results(course(lines))
    return Results(fields=lines[0]) if len(lines) == 1 else Results(lines=lines)


PRESET = Preset((CONFIG, OVERRIDES), settings, results, choose=choose)
