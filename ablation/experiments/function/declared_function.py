"""Function as a study file declares it: its name, its factors, and the checks of its keys."""

import os
from pathlib import Path

from ablation import durations, sizes
from ablation.errors import AblateError
from ablation.experiments import artifact_patterns, secrets
from ablation.experiments.declared import Declared
from ablation.experiments.function import interpreter
from ablation.experiments.function.ablate_child.serve import HANDLE, SEED
from ablation.experiments.function.description import Description, describe
from ablation.experiments.function.factors import model_of
from ablation.nearest import nearest
from ablation.study.experiment_keys import ExperimentKeys
from ablation.study.study_keys import StudyKeys, stated_levels

OF_COMMANDS = ("code", "resume", "checkpoint", "ends", "factors")  # keys that a function does not take
WHERE = "[experiment] function"


def declared(path: Path, file: StudyKeys) -> Declared:
    """Return the experiment that a study file declares. Raises AblateError where a key is wrong."""
    keys, where = file.experiment, f"{path}: experiment"
    _check(keys, path, where)
    cwd = (path.parent / keys.cwd).resolve()
    target, python = located_target(keys.function, path, where), interpreter.of_study(keys.python, path)
    description = describe(target, python, cwd, keys.env, f"{where}.function")
    names = [parameter.name for parameter in description.parameters]
    settings = {name.partition(".")[0] for name in keys.settings}
    if not description.takes_more:
        for name in settings - {*names, *description.groups, *description.left_out}:
            raise AblateError(
                f"{where}.settings.{name}: the function has no such parameter; it has {', '.join(names) or 'none'}"
                f"{nearest(name, names)}"
            )
    _refuse_unfit(description, settings, f"{where}.function")
    factors = [p for p in description.parameters if p.name not in (HANDLE, SEED) and p.name not in settings]
    more = stated_levels(file) if description.takes_more else ()
    model = model_of(factors, more, keys.shares, f"{where}.function")
    name = keys.name or _name(keys.function)
    located = keys.model_copy(update={"cwd": str(cwd), "function": target, "python": python, "name": name})
    return Declared(name=name, version=keys.version, factors=model, keys=located)


def _refuse_unfit(description: Description, settings: set[str], where: str) -> None:
    """Raise AblateError where a parameter is a path or a secret: neither is a level of a table."""
    for parameter in description.parameters:
        name = parameter.name
        if name.partition(".")[0] in settings or parameter.default is not None:
            continue
        if parameter.schema_.get("format") == "path":
            raise AblateError(
                f"{where}: parameter {name} is a path, which is no factor; set it in [experiment.settings], and "
                "list its files in [experiment] inputs"
            )
        if secrets.is_secret(name):
            raise AblateError(
                f"{where}: parameter {name} looks like a secret, which is no factor; set it in [experiment.settings]: "
                f'{name} = "${name.upper()}" reads the environment'
            )


def _check(keys: ExperimentKeys, path: Path, where: str) -> None:
    """Raise AblateError for keys that need no description to be wrong."""
    durations.parse(f"{where}.grace", keys.grace)
    if keys.memory:
        sizes.parse(f"{where}.memory", keys.memory)
    if not (path.parent / keys.cwd).is_dir():
        raise AblateError(f"{where}.cwd: {path.parent / keys.cwd}: no such folder")
    artifact_patterns.check(keys.artifacts, where)
    secrets.refuse_literals(keys.settings, f"{where}.settings", 'write "${variable}", and set that variable')
    secrets.refuse_literals(keys.env, f"{where}.env", "leave it out: the function inherits the environment")
    for key in OF_COMMANDS:
        if getattr(keys, key):
            raise AblateError(f"{where}.{key}: is of commands; a function states it by its parameters and its handle")
    if keys.results.paths or keys.results.measures:
        raise AblateError(f"{where}.results: is of commands; a function returns its results")


def located_target(function: str, path: Path, where: str) -> str:
    """Return the function with the absolute path of its file, which is relative to the study file."""
    place, colon, name = function.rpartition(":")
    if not (colon and place and name.replace(".", "").isidentifier()):
        raise AblateError(
            f"{where}.function: {function!r} is not allowed; allowed: a file and a function, as in train.py:train, or "
            "package.module:train"
        )
    if place == "__main__" or place.endswith(".ipynb"):
        raise AblateError(
            f"{where}.function: {function!r} is in a notebook, which other processes cannot load; write its cell to a "
            "file: %%writefile train.py"
        )
    if not place.endswith(".py"):
        return function
    file = path.parent / os.path.expanduser(place)
    if not file.is_file():
        raise AblateError(f"{where}.function: {file}: no such file")
    return f"{file.resolve()}:{name}"


def _name(function: str) -> str:
    """Return the default name: the stem of the file, or the last name of the module, and the function."""
    place, _, name = function.rpartition(":")
    stem = Path(place).stem if place.endswith(".py") else place.rpartition(".")[2]
    return f"{stem}.{name}"
