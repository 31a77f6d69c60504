"""JSON files: an object a file is a run; of a list of objects, or of JSON lines, each object is a run."""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from ablation.errors import AblateError
from ablation.sources.readers.collector import Collector, Curve
from ablation.sources.readers.compressed import OPENERS, plain_name
from ablation.sources.readers.documents import json_value
from ablation.sources.readers.json_lines import BrokenLine, json_lines
from ablation.sources.readers.keyed import runs_of
from ablation.sources.readers.objects import is_course, parted
from ablation.sources.readers.tree import Tree, opened
from ablation.sources.runs import STATUS, STATUS_OF, Runs

KIND = "json"
FILE = "file"
SUFFIXES = tuple(f"{plain}{packed}" for plain in (".json", ".jsonl", ".ndjson") for packed in ("", *OPENERS))


def read(address: str) -> Runs:
    """Return the runs of JSON files.

    Args:
        address: a file, a folder, or a pattern such as out/*/metrics.json.

    Raises AblateError where there is no file, or no file can be read.
    """
    tree, paths = opened(address.removeprefix(f"{KIND}:"), SUFFIXES)
    collector, names = Collector(), set()
    for path in paths:
        name = tree.name(path)
        try:
            for content in _objects(tree, path, len(paths) == 1):
                fields, curves = _run(tree, name, content)
                names |= {key for key, value in fields.items() if is_course(key, value)}
                collector.add(fields, curves)
        except AblateError as error:
            if len(paths) == 1 or isinstance(error, BrokenLine):
                raise
            tree.remark("Not read", str(error))
    if not collector.count:
        reasons = [*tree.remarks.get("Not read", ["no run in it"])]
        raise AblateError(f"{address}: {reasons[0]}")
    collector.unroll(sorted(names))
    _settle_status(tree, collector)
    return Runs(address, KIND, collector.frame(), collector.curves(), False, tree.notes, tree.files, tree.root)


def _objects(tree: Tree, path: Path, is_only: bool) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of a file: of JSON lines where the first two lines are JSON by themselves.

    `is_only`: whether the source is this file, whose object then may hold several runs.
    """
    name = tree.name(path)
    if plain_name(path).suffix != ".json" or _has_lines(tree, path):
        yield from _of_lines(tree, path)
        return
    content = tree.json(path)
    if isinstance(content, dict):
        yield from runs_of(content) if is_only else [content]
        return
    if not isinstance(content, list):
        raise AblateError(f"{name}: neither an object nor a list of objects")
    for position, member in enumerate(content, start=1):
        if isinstance(member, dict):
            yield member
        else:
            tree.remark("Members of a list that are no objects are left out", f"{name}, member {position}")


def _has_lines(tree: Tree, path: Path) -> bool:
    """Return whether a file has several lines and the first is an object by itself."""
    try:
        first = list(islice(Tree(tree.root).json_lines(path), 2))
        return len(first) == 2 and isinstance(json_value(first[0][1], ""), dict)
    except AblateError:
        return False


def _of_lines(tree: Tree, path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the object of each line; a line that is another value is noted."""
    name = tree.name(path)
    for number, content in json_lines(tree, path):
        if isinstance(content, dict):
            yield content
        else:
            tree.remark("Lines that are no JSON object are left out", f"{name}, line {number}")


def _run(tree: Tree, name: str, content: Mapping[str, Any]) -> tuple[dict[str, object], dict[str, Curve]]:
    """Return the fields and the curves of a run."""
    fields, curves, remarks = parted(content)
    for remark in remarks:
        tree.remark(remark, name)
    return {FILE: name} | {f"source.{key}" if key == FILE else key: value for key, value in fields.items()}, curves


def _settle_status(tree: Tree, collector: Collector) -> None:
    """Translate the words of a field `status`; a field with other values is none of a run's state and is renamed."""
    if STATUS not in collector.columns:
        return
    values = collector.columns.pop(STATUS)
    states = [STATUS_OF.get(str(value).lower()) for value in values]
    if all(state for state, value in zip(states, values, strict=True) if value is not None):
        collector.columns[STATUS] = list(states)
    else:
        collector.columns[f"source.{STATUS}"] = values
        tree.remark("The field status holds no states of runs and is named", f"source.{STATUS}")
