"""Interface of the command experiment: see experiments/protocol.py. Its factors and measures are a study file's own."""

import contextlib
import glob
import json
import os
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from ablation import durations
from ablation.analysis.check_context import CheckContext
from ablation.engine import attempts, slots
from ablation.engine.run import Run
from ablation.errors import AblateError
from ablation.experiments import input_files, mixed_code, observation
from ablation.experiments.child import process
from ablation.experiments.child.process import Ended
from ablation.experiments.command import arguments, declared_command, mlflow_run, results
from ablation.experiments.command import code as code_of_command
from ablation.experiments.command.declared_command import WHERE, declared
from ablation.experiments.command.ended import status_of
from ablation.experiments.observed import ObservedInputs
from ablation.experiments.protocol import Prepared, Request
from ablation.measures import from_columns
from ablation.measures.measure import Measure
from ablation.measures.names import split_of
from ablation.model.diagnostic import Diagnostic
from ablation.nearest import nearest
from ablation.outcomes import Failure, Status
from ablation.progress.listener import ProgressListener
from ablation.store import code, record, result
from ablation.store.record import Record
from ablation.store.result import Result
from ablation.store.training import Training as AnyTraining
from ablation.store.workspace import Workspace
from ablation.study.experiment_keys import ExperimentKeys, FactorKeys, MlflowKeys
from ablation.study.grid import NOTHING, Grid
from ablation.study.levels import Condition

__all__ = ["declared", "given", "observed", "prepare", "train"]  # beside the constants below
name, version = "command", 1
measures: Mapping[str, Measure] = {}  # the results' own: see Inputs.measures
measures_from_results = True
pages = str(Path(__file__).parent / "pages")
varies = "what the command does with its seed"
RUN_FILE = "run.json"  # what the command may read of its training


class factors(BaseModel):
    """Factors of a study: its record holds those of its file, and there are no others."""


class Inputs(ObservedInputs):
    """Measures of a study's results, as far as results have shown them. `line`: the command, for readers.

    `expected`: names of measures that the study file states before there is a result. `code`: path -> digest of the
    user's files that trainings run now.
    """

    line: str = ""
    expected: tuple[str, ...] = ()
    code: dict[str, str] = Field(default_factory=dict)

    def given(self, condition: Condition) -> dict[str, Any]:
        return {"code": self.code}

    def measures(self, declared: Mapping[str, Measure]) -> Mapping[str, Measure]:
        """Return the measures of the results; before there are any, those that the study file names."""
        of_results = super().measures(declared)
        if self.task or not self.expected:
            return of_results
        return {**from_columns.of_numbers(dict.fromkeys(self.expected, 1.0), self.place), **of_results}

    def has_test(self, measure: str) -> bool:
        """Return whether results have the measure on test, by examples or as a number; True before there are any."""
        if not self.task and not self.largest:
            return True
        return f"test_{measure}" in self.largest or (bool(self.task) and measure in self.detailed)

    def changes(self, new: record.Inputs) -> Iterator[tuple[str, object, object]]:
        """Yield the files that trainings read. The results say what the measures are."""
        yield "inputs", self.digests, new.digests

    def provenance(self) -> Iterator[tuple[str, str]]:
        yield "command", self.line
        yield from super().provenance()


class Training(AnyTraining):
    """One call of the command.

    `keys`: [experiment] of the study file; `cwd` is absolute. `selects_on`: number that selects rows, or "none".
    `code`: see `Inputs`.
    """

    keys: ExperimentKeys
    selects_on: str = NOTHING
    code: dict[str, str] = Field(default_factory=dict)


def given(grid: Grid) -> dict[str, Any]:
    """Return the fields of `Training` that all trainings of a study share."""
    return {"keys": grid.experiment_keys, "selects_on": grid.select_on}


def prepare(request: Request, watch: ProgressListener) -> Prepared:
    """Check the commands of all rows. What earlier results showed of the measures is kept."""
    grid, earlier = request.grid, request.earlier
    keys = grid.experiment_keys
    assert keys is not None
    declared_command.refuse_unmentioned(keys, grid)
    declared_command.refuse_shared_outputs(keys, request.slots)
    stated = (grid.select_on, grid.table.primary, *keys.results.measures, *(f"test_{name}" for name in grid.measures))
    expected = tuple(dict.fromkeys(name for name in stated if name not in ("", NOTHING)))
    line = keys.command if isinstance(keys.command, str) else shlex.join(keys.command or ())
    earlier_kinds = (
        earlier.model_dump(include={"largest", "task", "examples_like", "sizes"}) if isinstance(earlier, Inputs) else {}
    )
    texts = code_of_command.texts(keys)
    digests = {path: code.digest(text) for path, text in texts.items()}
    files = input_files.read(keys.inputs, Path(keys.cwd), request.workspace, "[experiment] inputs")
    inputs = Inputs(
        line=line, expected=expected or ("test_score",), code=digests, digests=files.digests, **earlier_kinds
    )

    def store() -> None:
        code.store(request.workspace, texts)
        files.store(request.workspace)

    return Prepared(inputs, notes=files.notes, store=store, code=texts)


def observed(workspace: Workspace, record: Record) -> Inputs:
    """Return the inputs of a study with what its results have shown of its measures.

    Raises AblateError where results contradict each other, or lack a measure that the study file names.
    """
    inputs: Inputs = record.inputs
    folders = {key: workspace.training(key) for key in map(record.training_key, record.grid.trials())}
    kinds = observation.joined(folder for folder in folders.values() if result.all_of(folder))
    return inputs.model_copy(update=kinds) if kinds else inputs


def examine(workspace: Workspace, record: Record) -> dict[int, set[mixed_code.Version]]:
    """Return the versions of code that the trainings of each row ran."""
    return mixed_code.versions(workspace, record)


def diagnostics() -> dict[str, Callable[[CheckContext], Diagnostic | None]]:
    """Return the warnings of commands: code -> check."""
    return {"MIXED_CODE": mixed_code.mixed_code}


def train(training: Training, run: Run) -> Status | None:
    """Call the command, and write its results."""
    keys, folder = training.keys, run.folder.child
    folder.mkdir(parents=True, exist_ok=True)
    if changed := code_of_command.changed_since(keys, training.code):
        raise Failure(Status.FAILED, f"{changed} has changed since this command began; run it again", is_contract=True)
    code.note(run.folder, training.code)
    values = _values(training, folder)
    texts = {name: str(value) for name, value in {**keys.settings, **values}.items()}
    texts |= {n: arguments.shown(v, keys.factors.get(n, FactorKeys())) for n, v in training.condition.items()}
    try:
        results.remove(keys, texts)
    except AblateError as error:
        raise Failure(Status.FAILED, str(error), is_contract=True) from None
    argv = arguments.filled(keys.command or (), keys, training.condition, values, WHERE)
    argv += _resume(training, values, texts)
    described = {"levels": dict(training.condition), "settings": keys.settings, **values}
    (folder / RUN_FILE).write_text(json.dumps(described, indent=1), encoding="utf-8")
    of_mlflow = any(isinstance(source, MlflowKeys) for source in keys.results.measures.values())
    variables = mlflow_run.variables(folder) if of_mlflow else {}
    variables |= {**keys.env, "ABLATE_RUN": texts["folder"] + f"/{RUN_FILE}"}
    start = process.Start(argv, Path(keys.cwd), folder, variables, durations.parse("grace", keys.grace), run.lock)
    printed = results.Printed(keys.results.measures)
    ended = process.run(start, printed.read, run.stopping)
    status = status_of(ended, keys, start.log)
    if status is Status.DONE:
        return _commit(training, run, texts, printed, ended)
    if status is Status.DIVERGED:
        return _diverged(training, run, f"the command ended with exit code {ended.code}")
    return status


def _values(training: Training, folder: Path) -> dict[str, Any]:
    return {
        "seed": training.seed, "folder": str(folder.absolute()), "threads": int(os.environ.get("OMP_NUM_THREADS") or 1),
        "device": "cpu" if slots.device() == "cpu" else "cuda", "run": training.key,
    }  # fmt: skip


def _resume(training: Training, values: Mapping[str, Any], texts: Mapping[str, str]) -> list[str]:
    """Return the arguments that resume a command from its newest checkpoint; [] where there is none."""
    keys = training.keys
    if not keys.resume or not keys.checkpoint:
        return []
    paths = glob.glob(str(Path(keys.cwd) / arguments.path(keys.checkpoint, texts)))
    if not paths:
        return []
    newest = max(paths, key=lambda path: os.stat(path).st_mtime_ns)
    more = {**values, arguments.CHECKPOINT: newest}
    return arguments.filled(keys.resume, keys, training.condition, more, "[experiment] resume")


def _commit(training: Training, run: Run, texts: Mapping[str, str], printed: results.Printed, ended: Ended) -> Status:
    """Check what a command has written, and store it: the result is the last file."""
    try:
        read = results.read(training.keys, texts, printed)
        if wrong := results.diverged(read):
            return _diverged(training, run, f"{wrong} is {read.numbers[wrong]}")
        examples, kinds = observation.coded_splits(read.examples, training.keys.task, WHERE)
        scores = {"val": observation.validation(examples.get("val", {}), kinds, read.numbers, WHERE)}
        scores["train"] = {split_of(n)[1]: v for n, v in read.numbers.items() if split_of(n)[0] == "train"}
        _need_selecting(training.selects_on, scores["val"])
        test = {split_of(n)[1]: v for n, v in read.numbers.items() if split_of(n)[0] == "test"}
        observation.write(run.folder, kinds, read.numbers, examples)
        run.result(
            val=examples.get("val"), test={**examples.get("test", {}), **test} or None,
            scores={split: numbers for split, numbers in scores.items() if numbers}, step=training.steps,
            costs={n: v for n, v in read.numbers.items() if not split_of(n)[0]}, memory=ended.memory,
            history=[{**entry, "time": time.time()} for entry in read.history],
        )  # fmt: skip
    except (AblateError, ValueError) as error:
        raise Failure(Status.FAILED, str(error), is_contract=True) from None
    with contextlib.suppress(AblateError):
        results.remove(training.keys, texts)
    run.folder.failure.unlink(missing_ok=True)
    return Status.DONE


def _need_selecting(selects_on: str, scores: Mapping[str, float]) -> None:
    """Raise AblateError where the number that selects rows is missing."""
    split, name = split_of(selects_on)
    if split == "val" and name not in scores:
        numbers = [f"val_{measure}" for measure in scores]
        raise AblateError(
            f"select_on: the results have no {selects_on}; they have {', '.join(numbers) or 'none on validation'}"
            f"{nearest(selects_on, numbers)}"
        )


def _diverged(training: Training, run: Run, reason: str) -> Status:
    tries = len(attempts.read(run.folder))
    now = time.time()
    failed = Result(Status.DIVERGED, training.steps, error=reason, attempts=tries, started=now, finished=now)
    result.write(run.folder, failed)
    return Status.DIVERGED
