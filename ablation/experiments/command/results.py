"""Results of a command: numbers and steps of its file, numbers that it printed, and examples in files."""

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ablation.errors import AblateError
from ablation.experiments.command import arguments, mlflow_run
from ablation.experiments.commit import Numbers, Results
from ablation.experiments.observation import Columns
from ablation.measures.names import split_of
from ablation.sources.run_examples import columns_of
from ablation.study.experiment_keys import ExamplesKeys, ExperimentKeys, MlflowKeys, PrintedKeys, Source

LARGEST = 256 << 20  # bytes of a file of results
TEXTS = ("id", "label", "predicted", "group")  # columns of examples that may hold texts
MOST_EXAMPLES = 2_000_000
STEPS = ("step", "epoch", "iteration")  # columns that number the steps of a file


class Printed:
    """Numbers that a command prints, found by regular expressions line by line.

    `steps`: step -> name -> value. `texts`: name -> last match that is no number.
    """

    def __init__(self, measures: Mapping[str, Source]) -> None:
        stated = {name: keys for name, keys in measures.items() if isinstance(keys, PrintedKeys)}
        self._values = {name: re.compile(keys.stdout) for name, keys in stated.items()}
        self._steps = {keys.step: re.compile(keys.step) for keys in stated.values() if keys.step}
        self._step = 0
        self.steps: dict[int, Numbers] = {}
        self.texts: dict[str, str] = {}

    def read(self, line: str) -> None:
        """Find the numbers of a line, and of which step they are."""
        for expression in self._steps.values():
            step = _number(_bare(match[1])) if (match := expression.search(line)) else None
            if step is not None and math.isfinite(step):
                self._step = int(step)
        for name, expression in self._values.items():
            for match in expression.finditer(line):
                text = match["value"] if "value" in expression.groupindex else match[1]
                if (number := _number(_bare(text))) is None:
                    self.texts[name] = str(text)
                else:
                    self.steps.setdefault(self._step, {})[name] = number


def _bare(text: str | None) -> str:
    """Return a match without the punctuation after it: `0.5,` of `loss: 0.5, accuracy: 0.9`."""
    return (text or "").rstrip(",;:.)]}")


def check_expressions(measures: Mapping[str, Source], where: str) -> None:
    """Raise AblateError for a regular expression that is none, or has no group."""
    for name, keys in measures.items():
        if not isinstance(keys, PrintedKeys):
            continue
        for key, text in (("stdout", keys.stdout), ("step", keys.step)):
            try:
                n_groups = re.compile(text).groups
            except re.error as error:
                raise AblateError(f"{where}.{name}.{key}: not a regular expression: {error}") from None
            if text and not n_groups:
                raise AblateError(f"{where}.{name}.{key}: {text!r} has no group; put the number in brackets: (\\S+)")


def remove(keys: ExperimentKeys, texts: Mapping[str, str]) -> None:
    """Delete the files of results: those of an earlier attempt are not those of the next one.

    Raises AblateError where one cannot be deleted, such as a folder.
    """
    for path in (_located(template, keys, texts) for template in keys.results.paths):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise AblateError(f"[experiment.results]: {path}: cannot be deleted: {error.strerror}") from None


def _located(template: str, keys: ExperimentKeys, texts: Mapping[str, str]) -> Path:
    return Path(keys.cwd) / arguments.path(template, texts)


def read(keys: ExperimentKeys, texts: Mapping[str, str], printed: Printed) -> Results:
    """Return the results of a command that ended well.

    Args:
        keys: keys of [experiment]; `cwd` is absolute.
        texts: values of the names in paths, such as {folder}.
        printed: numbers that it printed.

    Raises:
        AblateError: a file or a number is missing, or wrong.
    """
    taken, stated = Results(), keys.results
    wanted = {name: source for name, source in stated.measures.items() if isinstance(source, str)}
    if stated.file:
        path = _located(stated.file, keys, texts)
        _check_file(path, Path(texts[arguments.FOLDER]), "results.file")
        steps = list(_steps_of(path))
        _take(taken, steps, wanted, path, has_steps=path.suffix != ".json")
    _take_printed(taken, printed, [name for name, s in stated.measures.items() if isinstance(s, PrintedKeys)])
    of_mlflow = {name: source.mlflow for name, source in stated.measures.items() if isinstance(source, MlflowKeys)}
    if of_mlflow:
        for name, course in mlflow_run.courses(Path(texts[arguments.FOLDER]), of_mlflow).items():
            _add(taken, name, course, has_course=len(course) > 1)
    for split, source in (("val", stated.val), ("test", stated.test)):
        if source:
            taken.examples[split] = _examples(split, source, _located(source.examples, keys, texts), texts)
    if not taken.numbers and not taken.examples:
        raise AblateError("[experiment.results] names no number and no examples")
    return taken


def _check_file(path: Path, folder: Path, key: str) -> None:
    """Raise AblateError where a file is missing, too large, or a link that leads out of the training's folder."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise AblateError(f"{key}: the command ended well and did not write {path}") from None
    except OSError as error:
        raise AblateError(f"{key}: {path}: {error.strerror}") from None
    if path.is_relative_to(folder) and not path.resolve().is_relative_to(folder.resolve()):
        raise AblateError(f"{key}: {path} is a link that leads out of {folder}")
    if not path.is_file():
        raise AblateError(f"{key}: {path} is not a regular file")
    if size > LARGEST:
        raise AblateError(f"{key}: {path} has {size / 2**20:,.0f} MiB; allowed: {LARGEST >> 20}")


def _steps_of(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the fields of each step of a file, nested names with dots; a .json file has one."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".csv":
            yield from csv.DictReader(io.StringIO(text, newline=""))
            return
        for line in [text] if path.suffix == ".json" else filter(str.strip, text.split("\n")):
            content = json.loads(line)
            if not isinstance(content, dict):
                raise AblateError(f"results.file: {path}: not a JSON object")
            yield dict(_flat(content))
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise AblateError(f"results.file: {path}: cannot be read: {error}") from None


def _flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _number(value: Any) -> float | None:
    """Return a number, also from a text; None for a missing one and for other values."""
    if isinstance(value, bool):
        return float(value)
    try:
        return float(value) if isinstance(value, int | float) or (isinstance(value, str) and value.strip()) else None
    except (ValueError, OverflowError):
        return None


def _all_numbers(steps: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return name -> field of all numbers of a file, where the study file states none."""
    fields = {name: None for step in steps for name, value in step.items() if name and _number(value) is not None}
    return {name.strip().replace(".", "_"): name for name in fields if name.strip() not in STEPS}


def _take(taken: Results, steps: list[dict[str, Any]], wanted: Mapping[str, str], path: Path, has_steps: bool) -> None:
    """Add the last value of each number, and the course of those that are not on test."""
    numbered = [(_step_number(step, n), step) for n, step in enumerate(steps, start=1)]
    for name, source in (wanted or _all_numbers(steps)).items():
        values = [(step, number) for step, fields in numbered if (number := _number(fields.get(source))) is not None]
        if not values:
            fields = sorted({field for step in steps for field in step if field})
            listed = ", ".join(fields[:12]) + (", ..." if fields[12:] else "")
            raise AblateError(f"results.measures.{name}: {path} has no number {source!r}; it has {listed or 'nothing'}")
        _add(taken, name, values, has_course=has_steps)


def _step_number(step: Mapping[str, Any], position: int) -> int:
    stated = next((number for name in STEPS if (number := _number(step.get(name))) is not None), None)
    return position if stated is None or not math.isfinite(stated) else int(stated)


def _add(taken: Results, name: str, values: Sequence[tuple[int, float]], has_course: bool) -> None:
    """Add the last of a number's values, (step, value), and with `has_course` their course; never that of the test."""
    taken.numbers[name] = values[-1][1]
    if not has_course or split_of(name)[0] == "test":
        return
    of_step = {int(entry["epoch"]): entry for entry in taken.history}
    for step, value in values:
        of_step.setdefault(step, {"epoch": step})[name] = value
    taken.history = [of_step[step] for step in sorted(of_step)]


def _take_printed(taken: Results, printed: Printed, names: Iterable[str]) -> None:
    for name in names:
        values = [(step, numbers[name]) for step, numbers in printed.steps.items() if name in numbers]
        if not values:
            text = printed.texts.get(name)
            matched = "no line of the output matches its expression"
            if text is not None:
                matched = f"its expression matches {text[:40]!r}, which is no number"
            raise AblateError(f"results.measures.{name}: {matched}")
        _add(taken, name, values, has_course=len(values) > 1)


def _examples(split: str, source: ExamplesKeys, path: Path, texts: Mapping[str, str]) -> Columns:
    key = f"results.{split}.examples"
    _check_file(path, Path(texts[arguments.FOLDER]), key)
    stated = source.columns | ({"group": source.group} if source.group else {})
    try:
        columns = columns_of(path, stated, source.example, key, f"{key}: {path}")
    except AblateError as error:
        raise AblateError(f"{key}: {str(error).removeprefix(f'{key}: ')}") from None
    for name, column in columns.items():
        if column.dtype.kind == "U" and name not in TEXTS:
            text = str(column[0])[:30]
            raise AblateError(f"{key}: {path}: {name} holds texts such as {text!r}; a score is a number, true or false")
    if (n := len(columns["id"])) > MOST_EXAMPLES:
        raise AblateError(f"{key}: {n:,} examples; allowed: {MOST_EXAMPLES:,}: write one score a group")
    return columns
