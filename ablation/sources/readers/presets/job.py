"""Folder of one run, and the results that a preset reads in it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

from ablation.errors import AblateError
from ablation.sources.readers.collector import Curve
from ablation.sources.readers.json_lines import json_lines
from ablation.sources.readers.tree import Tree
from ablation.sources.runs import SETTING, TAG, flat


@dataclass(frozen=True)
class Job:
    """Folder of one run.

    Attributes:
        tree: the source, which reads the files.
        folder: name of the folder, relative to the root.
        paths: name of each file, relative to the folder -> path.
        metrics: pattern of the name of the file of metrics, where the tool leaves it to the user.
    """

    tree: Tree
    folder: str
    paths: Mapping[str, Path]
    metrics: str = ""

    def mapping(self, name: str) -> dict[str, Any]:
        """Return the mapping in a YAML or JSON file; an empty one where the file is missing or empty.

        Raises AblateError where the file holds another value.
        """
        path = self.paths.get(name)
        if path is None:
            return {}
        content = self.tree.json(path) if path.suffix == ".json" else self.tree.yaml(path)
        if content is not None and not isinstance(content, dict):
            raise AblateError(f"{self.tree.name(path)}: no mapping of names and values")
        return content or {}

    def csv(self, name: str) -> list[dict[str, Any]]:
        """Return the lines of a CSV file."""
        return self.tree.csv(self.paths[name])

    def json(self, name: str) -> Any:
        """Return the value of a JSON file."""
        return self.tree.json(self.paths[name])

    def json_lines(self, name: str) -> list[dict[str, Any]]:
        """Return the objects of a file of JSON lines; a last line that is incomplete is noted and left out."""
        return [value for _, value in json_lines(self.tree, self.paths[name]) if isinstance(value, dict)]


@dataclass(frozen=True)
class Results:
    """Results of one run.

    Attributes:
        curves: courses of metrics.
        fields: single numbers and texts.
        lines: fields of each of the runs, where the file of a folder holds several.
        state: fields that are no results: notes, and `status`, `reason` and the like where the tool stores them.
    """

    curves: Mapping[str, Curve] = field(default_factory=dict)
    fields: Mapping[str, object] = field(default_factory=dict)
    lines: Sequence[Mapping[str, object]] = ()
    state: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Preset:
    """Layout of the folders that one tool writes.

    Attributes:
        marks: files that make a folder the folder of a run, as paths that end so.
        settings: function that returns the settings of a run, nested or with dotted names.
        results: function that returns the results of a run.
        parts: pattern of the names of folders that are parts of a run, with marks of their own.
        choose: function that returns the pattern of the file of metrics, of the folders of all runs.
    """

    marks: Sequence[str]
    settings: Callable[[Job], Mapping[str, Any]]
    results: Callable[[Job], Results]
    parts: str = ""
    choose: Callable[[Sequence[Job]], str] = lambda jobs: ""

    def folder(self, name: str) -> str | None:
        """Return the folder of the run that a file marks; None where the file marks none."""
        path = PurePosixPath(name)
        mark = next((mark for mark in self.marks if path.match(mark)), None)
        if mark is None:
            return None
        folder = path.parents[mark.count("/")]
        return str(folder.parent if self.parts and fnmatch(folder.name, self.parts) else folder)


def merged(job: Job, names: Iterable[str]) -> dict[str, object]:
    """Return the settings of several files, with dotted names; later files override earlier ones."""
    settings: dict[str, object] = {}
    for name in names:
        settings |= flat(job.mapping(name))
    return settings


def named(prefix: str, values: Mapping[str, object]) -> dict[str, object]:
    """Return the values with a prefix for their names."""
    return {f"{prefix}{name}": value for name, value in values.items()}


def as_settings(values: Mapping[str, object]) -> dict[str, object]:
    """Return the values as fields that are settings."""
    return named(SETTING, flat(values))


def as_notes(values: Mapping[str, object]) -> dict[str, object]:
    """Return the values as fields that are notes; missing ones are left out."""
    return named(TAG, {name: value for name, value in flat(values).items() if value is not None})
