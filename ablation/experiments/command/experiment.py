"""Interface of the command experiment: see experiments/protocol.py. Its factors and measures are a study file's own."""

import contextlib
import json
import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from ablation import durations
from ablation.engine import slots
from ablation.engine.run import Run
from ablation.errors import AblateError
from ablation.experiments import folds, input_files
from ablation.experiments.child import process
from ablation.experiments.child.log import lines_of
from ablation.experiments.child.process import Ended
from ablation.experiments.command import (
    arguments,
    best_step,
    checkpoints,
    declared_command,
    earlier_steps,
    mlflow_run,
    results,
)
from ablation.experiments.command import code as code_of_command
from ablation.experiments.command.best_step import BestStep
from ablation.experiments.command.declared_command import WHERE, declared
from ablation.experiments.command.ended import status_of
from ablation.experiments.command.live_steps import LiveStep, LiveSteps
from ablation.experiments.command.printed import Printed
from ablation.experiments.commit import broken_contract, changed_on_the_way, commit, write_diverged
from ablation.experiments.protocol import Prepared, Request
from ablation.experiments.user_inputs import UserInputs, diagnostics, examine, observed, of_study, refuse_small_slots
from ablation.measures.measure import Measure
from ablation.outcomes import Failure, Status
from ablation.progress.listener import ProgressListener
from ablation.store import code
from ablation.store.training import Training as AnyTraining
from ablation.store.workspace import TrainingFolder
from ablation.study.experiment_keys import ExperimentKeys, MlflowKeys
from ablation.study.fold_keys import FoldKeys
from ablation.study.grid import NOTHING, Grid

__all__ = [
    "declared",
    "diagnostics",
    "examine",
    "given",
    "observed",
    "prepare",
    "saved",
    "train",
]  # in addition to the constants below
name, version = "command", 1
measures: Mapping[str, Measure] = {}  # the results' own: see Inputs.measures
measures_from_results = True
pages = str(Path(__file__).parents[1] / "pages")
kept = "output"
run_noun = "run"
varies = "what the command does with its seed"
RUN_FILE = "run.json"  # what the command may read of its training


class factors(BaseModel):
    """Factors of a study: its record holds those of its file, and there are no others."""


class Inputs(UserInputs):
    """Inputs of a command. `line`: the command, for readers."""

    line: str = ""

    def program(self) -> Iterator[tuple[str, str]]:
        yield "command", self.line


class Training(AnyTraining):
    """One call of the command.

    `keys`: [experiment] of the study file; `cwd` is absolute. `selects_on`: number that selects rows, or "none".
    `best`: rule for the step whose numbers count; None for the last one. `code`: see `Inputs`.
    """

    keys: ExperimentKeys
    selects_on: str = NOTHING
    best: BestStep | None = None
    code: dict[str, str] = Field(default_factory=dict)
    folds: FoldKeys | None = None


def given(grid: Grid) -> dict[str, Any]:
    """Return the fields of `Training` that all trainings of a study share."""
    return {"keys": grid.experiment_keys, "selects_on": grid.select_on, "best": _rule(grid)}


def _rule(grid: Grid) -> BestStep | None:
    return best_step.stated_rule(grid.experiment_keys, grid.select_on, grid.measures, grid.stem)


def prepare(request: Request, watch: ProgressListener) -> Prepared:
    """Check the commands of all rows. What earlier results showed of the measures is kept."""
    grid, earlier = request.grid, request.earlier
    keys = grid.experiment_keys
    assert keys is not None
    declared_command.refuse_unmentioned(keys, grid)
    declared_command.refuse_shared_outputs(keys, request.slots)
    refuse_small_slots(request)
    line = keys.command if isinstance(keys.command, str) else shlex.join(keys.command or ())
    rule = _rule(grid)
    texts = code_of_command.texts(keys, str(rule or ""))
    digests = {path: code.digest(text) for path, text in texts.items()}
    files = input_files.read(keys.inputs, Path(keys.cwd), request.workspace, "[experiment] inputs")
    inputs = Inputs(
        line=line, code=digests, digests={**files.digests, **folds.digests(grid)}, **of_study(grid, earlier)
    )

    def store() -> None:
        code.store(request.workspace, texts)
        files.store(request.workspace)

    notes = [*files.notes, *([f"Numbers of the step with {rule}, the test's too."] if rule else [])]
    return Prepared(inputs, notes=notes, store=store, code=texts.get)


def saved(training: Training, folder: TrainingFolder) -> str:
    """Return what identifies the newest checkpoint of the command; "" where there is none from which it resumes."""
    texts = arguments.texts_of(training.keys, training.condition, _values(training, folder.child))
    newest = checkpoints.newest(training.keys, texts)
    return checkpoints.mark(newest) if newest else ""


def train(training: Training, run: Run) -> Status | None:
    """Call the command, and write its results."""
    keys, folder = training.keys, run.folder.child
    folder.mkdir(parents=True, exist_ok=True)
    run.folder.deleted.unlink(missing_ok=True)
    if changed := code_of_command.changed_since(keys, training.code):
        raise changed_on_the_way(changed)
    code.begin(run.folder, training.code, resumes=bool(saved(training, run.folder)))
    values = _values(training, folder)
    texts = arguments.texts_of(keys, training.condition, values)
    resumed = _resume(training, values, texts)
    printed = Printed(keys.results.measures)
    try:
        _begin(keys, texts, printed, folder, bool(resumed))
    except AblateError as error:
        raise Failure(Status.FAILED, str(error), is_contract=True) from None
    argv = [*arguments.filled(keys.command or (), keys, training.condition, values, WHERE), *resumed]
    described = {"levels": dict(training.condition), "settings": keys.settings, **values}
    (folder / RUN_FILE).write_text(json.dumps(described, indent=1), encoding="utf-8")
    of_mlflow = any(isinstance(source, MlflowKeys) for source in keys.results.measures.values())
    variables = mlflow_run.variables(folder) if of_mlflow else {}
    variables |= {**keys.env, "ABLATE_RUN": texts["folder"] + f"/{RUN_FILE}"}
    start = process.Start(argv, Path(keys.cwd), folder, variables, durations.parse("grace", keys.grace), run.lock)
    ended = process.run(start, printed.read, run.stopping, _live_steps(training, run, texts, printed).look)
    status = status_of(ended, keys, start.log)
    if status is Status.DONE:
        return _commit(training, run, texts, printed, ended)
    if status is Status.DIVERGED:
        return write_diverged(run, training.steps, f"the command ended with exit code {ended.code}")
    return status


def _begin(
    keys: ExperimentKeys, texts: Mapping[str, str], printed: Printed, folder: Path, is_resumed: bool
) -> None:  # fmt: skip
    """Delete the files of results of an earlier attempt. Of one that is resumed, the steps before are kept.

    Raises AblateError where a file cannot be deleted.
    """
    if is_resumed:
        printed.resume(lines_of(folder / results.LOG))
        if (path := _steps_file(keys, texts)) is not None:
            earlier_steps.keep(path, folder)
    else:
        earlier_steps.forget(folder)
    results.remove(keys, texts)


def _steps_file(keys: ExperimentKeys, texts: Mapping[str, str]) -> Path | None:
    """Return the path of the file of results; None where it has no steps."""
    has_steps = Path(keys.results.file).suffix in (".jsonl", ".csv")
    return results.located(keys.results.file, keys, texts) if has_steps else None


def _live_steps(training: Training, run: Run, texts: Mapping[str, str], printed: Printed) -> LiveSteps:
    """Return the steps of a command while it runs, which are reported to the orchestrator."""
    keys = training.keys

    def report(step: LiveStep) -> None:
        run.reach(step.number, step.total, step.numbers)

    return LiveSteps(keys, _steps_file(keys, texts), printed, {**keys.settings, **dict(training.condition)}, report)


def _values(training: Training, folder: Path) -> dict[str, Any]:
    return {
        "seed": training.seed, "folder": str(folder.absolute()), "threads": int(os.environ.get("OMP_NUM_THREADS") or 1),
        "device": "cpu" if slots.device() == "cpu" else "cuda", "run": training.key,
        **folds.of_training(training.folds, training.seed),
    }  # fmt: skip


def _resume(training: Training, values: Mapping[str, Any], texts: Mapping[str, str]) -> list[str]:
    """Return the arguments that resume a command from its newest checkpoint; [] where there is none."""
    keys = training.keys
    if (newest := checkpoints.newest(keys, texts)) is None:
        return []
    more = {**values, arguments.CHECKPOINT: newest}
    return arguments.filled(keys.resume, keys, training.condition, more, "[experiment] resume")


def _commit(training: Training, run: Run, texts: Mapping[str, str], printed: Printed, ended: Ended) -> Status:
    """Check what a command has written, and store it."""
    keys = training.keys
    try:
        taken = results.read(keys, texts, printed, training.best)
        taken.memory = ended.memory
        status = commit(run, taken, keys, training.selects_on, training.steps)
    except (AblateError, ValueError) as error:
        raise broken_contract(error) from None
    if status is Status.DONE:
        with contextlib.suppress(AblateError):
            results.remove(keys, texts)
        earlier_steps.forget(run.folder.child)
        run.folder.failure.unlink(missing_ok=True)
    return status
