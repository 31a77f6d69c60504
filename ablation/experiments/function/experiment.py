"""Interface of the function experiment: see experiments/protocol.py. Its factors are the parameters of a function."""

import atexit
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from ablation import durations
from ablation.engine import slots
from ablation.engine.run import Run
from ablation.errors import AblateError
from ablation.experiments import folds, input_files
from ablation.experiments.child.log import BoundedLog
from ablation.experiments.commit import broken_contract, changed_on_the_way, commit, write_diverged
from ablation.experiments.function import description, ended, foreground, raw_files
from ablation.experiments.function.ablate_child.serve import HANDLE, SEED
from ablation.experiments.function.declared_function import WHERE, declared
from ablation.experiments.function.session import End, Job, Listener, Program, Session, Sessions
from ablation.experiments.protocol import Prepared, Request
from ablation.experiments.user_inputs import UserInputs, diagnostics, examine, observed, of_study, refuse_small_slots
from ablation.measures.measure import Measure
from ablation.outcomes import Status
from ablation.progress.listener import ProgressListener
from ablation.store import code, promises, result
from ablation.store.training import Training as AnyTraining
from ablation.store.workspace import TrainingFolder
from ablation.study.experiment_keys import ExperimentKeys
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
name, version = "function", 1
measures: Mapping[str, Measure] = {}  # the results' own: see UserInputs.measures
measures_from_results = True
pages = str(Path(__file__).parents[1] / "pages")
varies = "what the function does with its seed"
kept = "output"
outputs_in = "files"  # run.folder
run_noun = "run"
KEPT = "kept"  # value of `process`: one process runs several trainings


class factors(BaseModel):
    """Factors of a study: its record holds those of its function, and there are no others."""


class Inputs(UserInputs):
    """Inputs of a function. `function`, `python`: the function and the version of its interpreter, for readers."""

    function: str = ""
    python: str = ""

    def program(self) -> Iterator[tuple[str, str]]:
        yield "function", self.function
        yield "Python", self.python


class Training(AnyTraining):
    """One call of the function.

    `keys`: [experiment] of the study file, with absolute paths. `selects_on`: number that selects rows, or "none".
    `code`: path -> digest of the user's files that importing the function loads. `shared`: the shared factor, or "".
    `folds`: keys of [folds].
    """

    keys: ExperimentKeys
    selects_on: str = NOTHING
    code: dict[str, str] = Field(default_factory=dict)
    shared: str = ""
    folds: FoldKeys | None = None


def given(grid: Grid) -> dict[str, Any]:
    """Return the fields of `Training` that all trainings of a study share."""
    return {
        "keys": grid.experiment_keys,
        "selects_on": grid.select_on,
        "shared": grid.factors.shared,
        "folds": grid.folds,
    }


def prepare(request: Request, watch: ProgressListener) -> Prepared:
    """Check the rows of a function. What earlier results showed of the measures is kept."""
    grid, keys = request.grid, request.grid.experiment_keys
    assert keys is not None
    folder = Path(keys.cwd)
    described = description.describe(keys.function, keys.python, folder, keys.env, WHERE)
    _refuse_wrong_rows(described, grid, keys)
    refuse_small_slots(request)
    texts = description.texts_of(described, folder)
    _refuse_wrong_sharing(request, texts)
    files = input_files.read(keys.inputs, folder, request.workspace, "[experiment] inputs")
    inputs = Inputs(
        function=_shown(keys), python=described.python, digests={**files.digests, **folds.digests(grid)},
        code={path: code.digest(text) for path, text in texts.items()}, **of_study(grid, request.earlier),
    )  # fmt: skip

    def store() -> None:
        code.store(request.workspace, texts)
        files.store(request.workspace)

    return Prepared(inputs, notes=files.notes, store=store, code=lambda path: code.text_of(folder / path))


def _shown(keys: ExperimentKeys) -> str:
    """Return the function as a reader finds it: its file without folders."""
    place, _, function = keys.function.rpartition(":")
    return f"{os.path.basename(place)}:{function}"


def _refuse_wrong_rows(described: description.Description, grid: Grid, keys: ExperimentKeys) -> None:
    """Raise AblateError where stated seeds are no parameter, or where results of seeds could not be distinguished."""
    names = {parameter.name for parameter in described.parameters}
    if grid.folds and HANDLE not in names:
        raise AblateError(f"[folds]: {WHERE} does not take `run`, whose run.split has the examples of a fold")
    if not {SEED, HANDLE} & names and len({*grid.seeds, *grid.replicates}) > 1 and not described.takes_more:
        raise AblateError(f"{WHERE}: takes no seed, and several are stated; add a parameter `seed`, or state one seed")
    levels = {row[keys.shares] for row in grid.rows} if keys.shares else set()
    if len(levels) > 1 and HANDLE not in names and not described.takes_more:
        raise AblateError(
            f"[experiment] shares: {keys.shares} has several levels, and the function does not take `run`: it cannot "
            "give results on its way; add a parameter `run`, and call run.result where run.milestone is true"
        )


def _refuse_wrong_sharing(request: Request, texts: Mapping[str, str]) -> None:
    """Raise AblateError where a check of this code has shown that rows cannot share trainings."""
    factors = request.grid.factors
    digests = {path: code.digest(text) for path, text in texts.items()}
    if (
        factors.shared
        and promises.state(request.workspace, factors.experiment, promises.SHARES, digests) == promises.BAD
    ):
        raise AblateError(
            f"[experiment] shares: ablate check has shown that results depend on the total of {factors.shared}, or "
            "that taking one changes later ones; remove shares, or mend the code and check it again"
        )


def saved(training: Training, folder: TrainingFolder) -> str:
    """Return what identifies the progress that a new attempt starts from: the newest checkpoint, and the answers."""
    return raw_files.progress(folder.child)


SESSIONS = Sessions()
atexit.register(SESSIONS.close)


def train(training: Training, run: Run) -> Status | None:
    """Run the function in a child, and store its results as they come."""
    keys, folder = training.keys, run.folder.child
    folder.mkdir(parents=True, exist_ok=True)
    run.folder.deleted.unlink(missing_ok=True)
    if changed := code.first_changed(Path(keys.cwd), training.code):
        raise changed_on_the_way(changed)
    code.begin(run.folder, training.code, resumes=bool(raw_files.progress(folder) or result.all_of(run.folder)))
    raw_files.prepare(folder, _job(training, run))
    program = Program(
        keys.function, keys.python, keys.cwd, tuple(sorted(keys.env.items())), _limits(), run.settings.debug
    )
    end = _run(training, run, program)
    _note_code(run, keys, end)
    return _outcome(training, run, end)


def _run(training: Training, run: Run, program: Program) -> End:
    """Run a training in a child. Results are committed as soon as they are there."""
    keys, folder = training.keys, run.folder.child

    def store(step: int) -> bool:
        try:
            results = raw_files.read(folder, step, is_shared=bool(training.shared))
            status = commit(run, results, keys, training.selects_on, step)
            raw_files.remove(folder, step)
            return status is Status.DONE
        except (AblateError, ValueError) as error:
            raise broken_contract(error) from None

    job = Job(folder.absolute(), run.lock, durations.parse("grace", keys.grace))
    if run.settings.debug:
        return foreground.run(program, job, store)
    with BoundedLog(folder / "log", lambda line: None) as log, _session(program, keys) as session:
        # Not on a GPU, where a file may take memory as soon as it is imported.
        if run.settings.more and keys.process != KEPT and slots.device() == "cpu":
            SESSIONS.start_ahead(session.program)
        end = session.run(job, Listener(log, store, run.stopping, run.reach))
        session.is_usable = end.status == Status.DONE.value
    return end if end.status else End("", end.asked, end.code, {"last_lines": list(log.last_lines)})


@contextmanager
def _session(program: Program, keys: ExperimentKeys) -> Iterator[Session]:
    """Yield a child of a program. A kept one stays for the next training, unless this one has failed."""
    session = SESSIONS.take(program)
    try:
        yield session
    finally:
        if session.is_usable and keys.process == KEPT:
            SESSIONS.keep(session)
        else:
            session.close()


def _job(training: Training, run: Run) -> dict[str, Any]:
    """Return the content of run.json."""
    return {
        "levels": dict(training.condition), "settings": training.keys.settings, "seed": training.seed,
        **folds.of_training(training.folds, training.seed),
        "folder": str((run.folder.child / outputs_in).absolute()), "child": str(run.folder.child.absolute()),
        "milestones": run.milestones if training.shared else [],
        "all_milestones": list(training.milestones) if training.shared else [], "keep_last": run.keep == "all",
        "stop_after": run.settings.stop_after,
        "threads": int(os.environ.get("OMP_NUM_THREADS") or 1), "device": "cpu" if slots.device() == "cpu" else "cuda",
    }  # fmt: skip


def _limits() -> str | None:
    """Return the share of a GPU of this process as JSON; None for a whole one, or none."""
    mib = slots.memory_limit()
    return json.dumps({"mib": mib, "share": slots.memory_share()}) if mib else None


def _note_code(run: Run, keys: ExperimentKeys, end: End) -> None:
    """Store the user's files that the child had loaded at its end, with the digests that they had when loaded."""
    digests: Mapping[str, str] = end.message.get("code", {})
    texts = {path: code.text_of(Path(path)) for path in digests}
    unchanged = {path: text for path, text in texts.items() if text and code.digest(text) == digests[path]}
    code.store(run.workspace, unchanged)
    if digests:
        code.note(run.folder, {os.path.relpath(path, keys.cwd): sha256 for path, sha256 in digests.items()})


def _outcome(training: Training, run: Run, end: End) -> Status | None:
    """Return how a training ended; None where its results say it. Raises Failure."""
    status = ended.status_of(end, run.folder.child / "log")
    if status is Status.DIVERGED and end.message:  # otherwise it was a result, and is stored as such
        step = int(end.message["step"]) if training.shared else training.steps
        return write_diverged(run, step, str(end.message["reason"]))
    return None if status is Status.DONE else status
