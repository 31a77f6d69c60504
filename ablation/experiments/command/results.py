"""Results of a command: numbers and steps of its file, numbers that it printed, and examples in files."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ablation.errors import AblateError
from ablation.experiments.command import arguments, earlier_steps, mlflow_run
from ablation.experiments.command.best_step import BestStep
from ablation.experiments.command.earlier_steps import Steps
from ablation.experiments.command.printed import Printed
from ablation.experiments.command.step_fields import all_numbers, as_number, flat, step_number
from ablation.experiments.commit import Numbers, Results
from ablation.experiments.observation import Columns
from ablation.measures.names import split_of
from ablation.sources.run_examples import columns_of
from ablation.study.experiment_keys import ExamplesKeys, ExperimentKeys, MlflowKeys, PrintedKeys

LARGEST = 256 << 20  # bytes of a file of results
TEXTS = ("id", "label", "predicted", "group")  # columns of examples that may hold texts
MOST_EXAMPLES = 2_000_000
MOST_LISTED = 8  # files or fields in a message
LOG = "log"
OWN = (LOG, earlier_steps.NAME, "run.json", "start.json", "memory")  # files that a child does not write itself


class Course(NamedTuple):
    """Values of one number of a training, with their steps. `has_steps`: whether its steps are a history."""

    name: str
    values: Sequence[tuple[int, float]]
    has_steps: bool


def remove(keys: ExperimentKeys, texts: Mapping[str, str]) -> None:
    """Delete the files of results: those of an earlier attempt are not those of the next one.

    Raises AblateError where one cannot be deleted, such as a folder.
    """
    for path in (located(template, keys, texts) for template in keys.results.paths):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise AblateError(f"[experiment.results]: {path}: cannot be deleted: {error.strerror}") from None


def located(template: str, keys: ExperimentKeys, texts: Mapping[str, str]) -> Path:
    """Return the path of a file of results. `texts`: values of the names in it, such as {folder}."""
    return Path(keys.cwd) / arguments.path(template, texts)


def read(keys: ExperimentKeys, texts: Mapping[str, str], printed: Printed, best: BestStep | None = None) -> Results:
    """Return the results of a command that ended well.

    Args:
        keys: keys of [experiment]; `cwd` is absolute.
        texts: values of the names in paths, such as {folder}.
        printed: numbers that it printed.
        best: rule for the step whose numbers count; None for the last value of each number.

    Raises:
        AblateError: a file or a number is missing, or wrong.
    """
    taken, stated = Results(), keys.results
    courses = list(_courses(keys, texts, printed))
    for course in courses:
        taken.numbers[course.name] = course.values[-1][1]
    if best:
        taken.numbers = best.numbers({course.name: course.values for course in courses})
    taken.history = _history(courses)
    for split, source in (("val", stated.val), ("test", stated.test)):
        if source:
            taken.examples[split] = _examples(split, source, located(source.examples, keys, texts), texts)
    if not taken.numbers and not taken.examples:
        where = f": {located(stated.file, keys, texts)} has no number" if stated.file else " names no number"
        raise AblateError(f"[experiment.results]{where}, and no examples are stated")
    return taken


def _courses(keys: ExperimentKeys, texts: Mapping[str, str], printed: Printed) -> Iterator[Course]:
    """Yield the numbers of the file, those that were printed, and those that were sent to MLflow."""
    stated, folder = keys.results, Path(texts[arguments.FOLDER])
    wanted = {name: source for name, source in stated.measures.items() if isinstance(source, str)}
    if stated.file:
        path = located(stated.file, keys, texts)
        _check_file(path, folder, "results.file")
        earlier = earlier_steps.read(folder) if path.suffix != ".json" else []
        yield from _of_file(list(_steps_of(path)), wanted, path, earlier)
    expressions = {name: s.stdout for name, s in stated.measures.items() if isinstance(s, PrintedKeys)}
    yield from _of_output(printed, expressions, folder / LOG)
    of_mlflow = {name: source.mlflow for name, source in stated.measures.items() if isinstance(source, MlflowKeys)}
    if of_mlflow:
        for name, values in mlflow_run.courses(folder, of_mlflow).items():
            yield Course(name, values, has_steps=len(values) > 1)


def _written(folder: Path) -> str:
    """Return the files that a command wrote into its folder, in words."""
    paths = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    written = [str(path) for path in paths if str(path) not in OWN]
    listed = ", ".join(written[:MOST_LISTED]) + (", ..." if written[MOST_LISTED:] else "")
    return f"files in its folder: {listed or 'none'}; its log: {folder / LOG}"


def _check_file(path: Path, folder: Path, key: str) -> None:
    """Raise AblateError where a file is missing, too large, or a link that leads out of the training's folder."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise AblateError(f"{key}: the command ended well and did not write {path}; {_written(folder)}") from None
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
            yield dict(flat(content))
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise AblateError(f"results.file: {path}: cannot be read: {error}") from None


def _of_file(steps: Steps, wanted: Mapping[str, str], path: Path, earlier: Steps) -> Iterator[Course]:
    """Yield the course of each number of a file. `earlier`: steps of earlier attempts, which alone give no number."""
    all_steps = earlier_steps.joined(earlier, steps)
    numbered = [(step_number(step, n), step) for n, step in enumerate(all_steps, start=1)]
    for name, source in (wanted or all_numbers(steps)).items():
        values = [(step, number) for step, fields in numbered if (number := as_number(fields.get(source))) is not None]
        if not values or not any(as_number(fields.get(source)) is not None for fields in steps):
            fields = sorted({field for step in steps for field in step if field})
            listed = ", ".join(fields[:12]) + (", ..." if fields[12:] else "")
            raise AblateError(f"results.measures.{name}: {path} has no number {source!r}; it has {listed or 'nothing'}")
        yield Course(name, values, has_steps=path.suffix != ".json")


def _of_output(printed: Printed, expressions: Mapping[str, str], log: Path) -> Iterator[Course]:
    """Yield the course of each number that was printed. `expressions`: name -> regular expression of its value."""
    for name, expression in expressions.items():
        values = [(step, numbers[name]) for step, numbers in printed.steps.items() if name in numbers]
        if not values or name not in printed.names:
            text = printed.texts.get(name)
            matched = f"no line of the output matches '{expression}'"
            if text is not None:
                matched = f"'{expression}' matches {text[:40]!r}, which is no number"
            raise AblateError(f"results.measures.{name}: {matched} (log: {log})")
        yield Course(name, values, has_steps=len(values) > 1)


def _history(courses: Iterable[Course]) -> list[Numbers]:
    """Return the numbers of each step, never those of the test."""
    of_step: dict[int, Numbers] = {}
    for course in courses:
        if course.has_steps and split_of(course.name)[0] != "test":
            for step, value in course.values:
                of_step.setdefault(step, {"epoch": step})[course.name] = value
    return [of_step[step] for step in sorted(of_step)]


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
