"""CSV exports of W&B: of the script with the public API (summary, config, name), and of the page of a project."""

import ast
import math
import re
from collections.abc import Mapping
from typing import Any

from ablation.errors import AblateError
from ablation.sources import runs
from ablation.sources.readers.collector import Collector
from ablation.sources.readers.documents import is_number, json_value, refuse_depth, spoken
from ablation.sources.readers.tree import Tree, opened
from ablation.sources.runs import SETTING, TAG, Runs, flat

KIND = "wandb"
FILE, SUMMARY, CONFIG = "file", "summary", "config"
INDEX = "Unnamed: 0"  # pandas' name of a column without one
CELL = 10_000_000  # characters of a cell with a dict
STATES = {
    "finished": runs.DONE, "crashed": runs.FAILED, "failed": runs.FAILED, "killed": runs.KILLED,
    "preempted": runs.KILLED, "preempting": runs.RUNNING, "running": runs.RUNNING, "pending": runs.RUNNING,
}  # fmt: skip
OWN = {
    "name": runs.NAME, "display_name": runs.NAME, "state": runs.STATUS, "id": runs.RUN, "run_id": runs.RUN,
    "created": runs.STARTED, "created_at": runs.STARTED, "createdat": runs.STARTED, "runtime": runs.DURATION,
}  # fmt: skip
NOTES = frozenset({
    "User", "Notes", "Tags", "Sweep", "Group", "Job Type", "Hostname", "Updated", "End Time", "Heartbeat", "Commit",
    "GitHub", "OS", "GPU Type", "GPU Count", "Python Version", "Entity", "Project", "URL", "Path",
})  # fmt: skip
NAMES = {"nan": math.nan, "inf": math.inf, "NaN": math.nan, "Infinity": math.inf, "true": True, "false": False,
         "null": None}  # fmt: skip
CLOCK = re.compile(r"(?:(\d+)d)?\s*(?:(\d+)h)?\s*(?:(\d+)m)?\s*(?:(\d+(?:\.\d+)?)s)?")


def read(address: str) -> Runs:
    """Return the runs of a CSV export of W&B.

    Args:
        address: a file, a folder, or a pattern of files.

    Raises AblateError where a file is no export of W&B.
    """
    tree, paths = opened(address.removeprefix(f"{KIND}:"), (".csv",))
    collector, are_told = Collector(), []
    for path in paths:
        name, lines = tree.name(path), tree.csv(path)
        columns = {column for line in lines for column in line}
        are_told.append({SUMMARY, CONFIG} <= columns)
        if lines and not are_told[-1] and not columns & {"Name", "name"}:
            raise AblateError(f"{name}: no export of W&B; its columns are summary, config and name, or Name and State")
        for number, line in enumerate(lines, start=1):
            line.pop(INDEX, None)
            fields = _of_dicts(line, tree, f"{name}, run {number}") if are_told[-1] else _of_page(line)
            collector.add({FILE: name} | fields)
    if not collector.count:
        raise AblateError(f"{address}: no run in it")
    _note(tree, all(are_told))
    return Runs(address, KIND, collector.frame(), None, all(are_told), tree.notes, tree.files)


def _note(tree: Tree, separates_settings: bool) -> None:
    """Add the notes that hold for every export."""
    tree.remark("W&B's summary has the last value of each metric, not the best", ", ".join(tree.files))
    if not separates_settings:
        tree.remark("The export does not say which columns are settings and which results", ", ".join(tree.files))


def _of_dicts(line: Mapping[str, Any], tree: Tree, place: str) -> dict[str, object]:
    """Return the fields of a run whose settings and results are dicts in two cells."""
    fields, parts = _own({key: value for key, value in line.items() if key not in (SUMMARY, CONFIG)}, TAG), {}
    for part in (SUMMARY, CONFIG):
        try:
            parts[part] = mapping(str(line.get(part, "{}")), f"{place}: {part}")
        except AblateError as error:
            tree.remark("Not read", str(error))
            fields |= {runs.STATUS: runs.FAILED, runs.REASON: f"{part}: not readable"}
            parts[part] = {}
    fields |= {f"{SETTING}{name}": value for name, value in flat(settings(parts[CONFIG])).items()}
    return _settled(fields, results(parts[SUMMARY]))


def _of_page(line: Mapping[str, Any]) -> dict[str, object]:
    """Return the fields of a run whose settings and results are columns of one table."""
    notes = {key: value for key, value in line.items() if key in NOTES}
    own = {key: value for key, value in line.items() if key.lower() in OWN and (key.istitle() or key in ("ID", "name"))}
    others = {key: spoken(value) for key, value in line.items() if key not in notes and key not in own}
    tags = {f"{TAG}{key}": value for key, value in notes.items()}
    return _settled(_own(own, "") | tags, {_free(key): value for key, value in others.items()})


def _free(key: str) -> str:
    """Return the name of a column, which differs from the names of a run's own fields."""
    return f"source.{key}" if key in (*runs.OWN, FILE) else key


def _own(line: Mapping[str, Any], prefix: str) -> dict[str, object]:
    """Return the columns that W&B has for every run, by the names of OWN; others get the prefix."""
    fields: dict[str, object] = {}
    for key, value in line.items():
        name = OWN.get(key.lower(), f"{prefix}{key}")
        if name == runs.STATUS:
            value = STATES.get(str(value).lower(), runs.FAILED)
        elif name == runs.DURATION:
            value = seconds(value)
        elif name in (runs.NAME, runs.RUN):
            value = str(value)
        fields[name] = value
    return fields


def seconds(value: object) -> float | None:
    """Return a duration in seconds, of a number or of a text such as 1h 2m 3s."""
    if is_number(value):
        return float(value)  # type: ignore[arg-type]
    parts = CLOCK.fullmatch(str(value).strip())
    return (
        sum(float(n or 0) * unit for n, unit in zip(parts.groups(), (86400, 3600, 60, 1), strict=True))
        if parts
        else None
    )


def _settled(fields: dict[str, object], values: Mapping[str, object]) -> dict[str, object]:
    """Return the fields with the results and the status; a run that ended without a result has failed."""
    numbers = [value for name, value in values.items() if is_number(value) and not name.startswith("_")]
    outcome = {name: value for name, value in values.items() if not name.startswith("_")}
    notes = {f"{TAG}{name}": value for name, value in values.items() if name in ("_step", "_timestamp")}
    runtime = values.get("_runtime")
    fields = ({runs.DURATION: runtime} if is_number(runtime) else {}) | fields | notes | outcome
    fields.setdefault(runs.STATUS, runs.DONE)
    if fields[runs.STATUS] == runs.DONE and not numbers:
        fields |= {runs.STATUS: runs.FAILED, runs.REASON: "no results"}
    return fields


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a config; the raw form has {"value": ..., "desc": ...} for each."""
    own = {key: value for key, value in config.items() if not str(key).startswith("_")}
    is_raw = own and all(isinstance(v, dict) and "value" in v and v.keys() <= {"value", "desc"} for v in own.values())
    return {key: value["value"] for key, value in own.items()} if is_raw else own


def results(summary: Mapping[str, Any]) -> dict[str, object]:
    """Return the values of a summary; pictures and histograms are left out."""
    media = {key for key, value in summary.items() if isinstance(value, dict) and "_type" in value}
    kept = {key: value for key, value in summary.items() if key not in media and key != "_wandb"}
    return {_free(key): spoken(value) for key, value in flat(kept).items()}


def mapping(text: str, place: str) -> dict[str, Any]:
    """Return the dict that a cell has as JSON or as Python's text. Raises AblateError where the cell is no dict."""
    if len(text) > CELL:
        raise AblateError(f"{place} is longer than {CELL} characters")
    try:
        value = json_value(text, place)
    except AblateError:
        value = _literal(text, place)
    if not isinstance(value, dict):
        raise AblateError(f"{place} is no dict")
    refuse_depth(value, place)
    return {str(key): member for key, member in value.items()}


class _Literals(ast.NodeTransformer):
    """Replacement of nan and inf by numbers, and of calls such as device(type='cuda') by their text."""

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Constant(NAMES.get(node.id, node.id))

    def visit_Call(self, node: ast.Call) -> ast.AST:
        return ast.Constant(ast.unparse(node))

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return ast.Constant(ast.unparse(node))

    def visit_Set(self, node: ast.Set) -> ast.AST:
        return self.generic_visit(ast.List(node.elts, ast.Load()))


def _literal(text: str, place: str) -> object:
    """Return the value of Python's text of a dict; nothing is evaluated."""
    try:
        return ast.literal_eval(_Literals().visit(ast.parse(text.strip(), mode="eval")).body)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise AblateError(f"{place} is neither JSON nor a Python dict") from None
