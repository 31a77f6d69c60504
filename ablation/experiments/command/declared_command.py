"""Command as a study file declares it: its name, its factors, and the checks of its keys and of its rows."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ablation import durations, sizes
from ablation.engine import slots
from ablation.errors import AblateError
from ablation.experiments import artifact_patterns, secrets
from ablation.experiments.command import arguments, best_step, printed
from ablation.experiments.declared import Declared
from ablation.measures.names import split_of
from ablation.nearest import nearest
from ablation.study.declared_factors import model_of
from ablation.study.experiment_keys import ExperimentKeys
from ablation.study.grid import Grid
from ablation.study.study_keys import StudyKeys, stated_levels

WHERE = "[experiment] command"
OF_FUNCTIONS = frozenset({"shares", "python", "process"})  # keys that a command does not take


@dataclass(frozen=True, kw_only=True)
class DeclaredCommand(Declared):
    """Command as a study file declares it. `validates`: whether numbers or examples on validation are declared."""

    validates: bool

    def needs_selection(self) -> bool:
        """Return whether the study file must state what rows are selected on."""
        return self.validates

    def selects_on(self, path: Path, file: StudyKeys) -> str:
        """Return the number that selects rows, or none. Raises AblateError where it is not declared."""
        stated = super().selects_on(path, file)
        names = [name for name in self.keys.results.measures if split_of(name)[0] == "val"]
        if names and split_of(stated)[0] == "val" and stated not in names and self.keys.results.val is None:
            raise AblateError(
                f"{path}: select_on: no measure is {stated!r}; stated: {', '.join(names)}{nearest(stated, names)}"
            )
        return stated


def declared(path: Path, file: StudyKeys) -> DeclaredCommand:
    """Return the experiment that a study file declares. Raises AblateError where a key is wrong."""
    keys, where = file.experiment, f"{path}: experiment"
    if keys.command is None:
        raise AblateError(f'{where}: plugin = "command" needs a command; state command = "..."')
    _check(keys, path, where)
    used = [n for t in (keys.command, keys.resume) for n in arguments.names(t, where)]
    more = [n for n in used if n not in {*arguments.reserved(keys), arguments.CHECKPOINT}]
    _refuse_misspelt(more, file, keys, f"{where}.command")
    model = model_of(keys.factors, more, f"{where}.factors")
    names = [*arguments.OF_TRAINING, *keys.settings, *model.model_fields]
    stated = keys.results
    paths = {"results.file": stated.file, "checkpoint": keys.checkpoint}
    paths |= {f"results.{s}.examples": e.examples for s, e in (("val", stated.val), ("test", stated.test)) if e}
    for key, template in paths.items():
        arguments.refuse_unknown([template], names, f"{where}.{key}")
    splits = {split_of(name)[0] for name in stated.measures}
    located = keys.model_copy(update={"cwd": str((path.parent / keys.cwd).resolve())})
    validates = "val" in splits or stated.val is not None
    best_step.stated_rule(located, str(file.select_on), file.measures, str(path))
    return DeclaredCommand(
        name=keys.name or _script(keys.command, path), version=keys.version, factors=model, keys=located,
        validates=validates,
    )  # fmt: skip


def _refuse_misspelt(undeclared: Sequence[str], file: StudyKeys, keys: ExperimentKeys, where: str) -> None:
    """Raise AblateError for a name in braces that is neither declared nor a factor of any row."""
    stated = stated_levels(file)
    for name in undeclared:
        if name not in stated and name not in keys.factors:
            names = list(dict.fromkeys([*keys.factors, *stated, *keys.settings, *arguments.OF_TRAINING]))
            raise AblateError(
                f"{where}: {{{name}}} is no factor and no setting; known: {', '.join(names)}{nearest(name, names)}"
            )


def _check(keys: ExperimentKeys, path: Path, where: str) -> None:
    """Raise AblateError for keys that need no other one to be wrong."""
    durations.parse(f"{where}.grace", keys.grace)
    if keys.memory:
        sizes.parse(f"{where}.memory", keys.memory)
    folder = path.parent / keys.cwd
    if not folder.is_dir():
        raise AblateError(f"{where}.cwd: {folder}: no such folder")
    printed.check_expressions(keys.results.measures, f"{where}.results.measures")
    artifact_patterns.check(keys.artifacts, where)
    for key, values in (("settings", keys.settings), ("env", keys.env)):
        secrets.refuse_literals(values, f"{where}.{key}", "leave it out: the command inherits the environment")
    for key in OF_FUNCTIONS & keys.model_fields_set:
        raise AblateError(f"{where}.{key}: is of functions; a command has no such key")
    for code in keys.ends:
        if not code.isdigit() or int(code) > 255:
            raise AblateError(f"{where}.ends: {code!r} is not allowed; allowed: exit codes from 0 to 255")
    if doubled := set(keys.settings) & {*keys.factors, *arguments.OF_TRAINING}:
        raise AblateError(
            f"{where}.settings: {min(doubled)} is also the name of a factor or of a given value; rename the setting"
        )
    for name, value in keys.settings.items():
        if isinstance(value, str) and value.startswith("$"):
            raise AblateError(
                f"{where}.settings.{name}: {value} would be in files and in the list of processes; the command "
                "inherits the environment, and reads it there"
            )
    stated = keys.results
    if stated.file and Path(stated.file).suffix not in (".json", ".jsonl", ".csv"):
        raise AblateError(
            f"{where}.results.file: {stated.file!r} is not allowed; allowed: a .json, .jsonl or .csv file"
        )
    if not (stated.file or stated.val or stated.test or stated.measures):
        raise AblateError(
            f'{where}.results: missing; state file = "{{folder}}/metrics.json", or measures that are printed'
        )
    from_file = [name for name, source in stated.measures.items() if isinstance(source, str)]
    if from_file and not stated.file:
        raise AblateError(f"{where}.results.measures.{from_file[0]}: is a field of results.file, which is missing")


def _script(command: str | list[str], path: Path) -> str:
    """Return the name of the script in a command, otherwise that of its program."""
    parts = arguments.tokens(command, f"{path}: experiment.command")
    script = next((part for part in parts if os.path.isfile(path.parent / part)), parts[0] if parts else "command")
    return Path(script).stem


def refuse_unmentioned(keys: ExperimentKeys, grid: Grid) -> None:
    """Raise AblateError where a factor varies and is never passed, seeds are not passed, or two commands are equal."""
    template, where = keys.command or (), WHERE
    mentioned = {n for t in (template, keys.resume) for n in arguments.names(t, where)}
    if not mentioned & {arguments.FLAGS, arguments.OVERRIDES}:
        for factor in grid.varying:
            if factor not in mentioned:
                raise AblateError(f"{where}: {factor} varies and is never passed; add {{{factor}}} to the command")
    if grid.folds and "fold" not in mentioned:
        raise AblateError(f"[folds]: {where} takes no fold; add {{fold}} to the command, and {{repeat}} with repeats")
    if not grid.folds and "seed" not in mentioned and len({*grid.seeds, *grid.replicates}) > 1:
        raise AblateError(f"{where}: takes no seed, and several are stated; add {{seed}} to the command, or state one")
    values = dict.fromkeys(arguments.OF_TRAINING, "")
    first: dict[tuple[str, ...], int] = {}
    for number, row in enumerate(grid.rows, start=1):
        line = tuple(arguments.filled(template, keys, row, values, where))
        if (earlier := first.setdefault(line, number)) != number:
            raise AblateError(f"{where}: rows {earlier} and {number} have the same command line: nothing is ablated")


def refuse_shared_outputs(keys: ExperimentKeys, used: str) -> None:
    """Raise AblateError for a file of results that trainings on several slots would all write."""
    shared = [path for path in keys.results.paths if arguments.FOLDER not in arguments.names([path], WHERE)]
    if shared and used and len(slots.parse(used, keys.io)) > 1:
        raise AblateError(
            f"[experiment.results]: {shared[0]} is one file for trainings on several slots; write into {{folder}}, or "
            "pass --slots cpu:1"
        )
