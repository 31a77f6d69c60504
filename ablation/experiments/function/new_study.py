"""Study file to start from, of a function: every factor with its default and range, and a first design."""

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ablation.experiments.function import interpreter
from ablation.experiments.function.ablate_child.serve import HANDLE, SEED
from ablation.experiments.function.declared_function import located_target
from ablation.experiments.function.description import Description, Parameter, describe
from ablation.experiments.function.factors import model_of
from ablation.study.example_line import toml_text
from ablation.study.levels import Factor, factors_of_model
from ablation.study.new_study import other_level

LEVEL = "LEVEL"  # placeholder of a level that the user must state
VARIED = 3  # factors of the first design
LENGTHS = frozenset({"epochs", "n_epochs", "num_epochs", "max_epochs", "steps", "n_steps", "max_steps", "iterations"})


def of_function(function: str, file: Path) -> str:
    """Return a commented study file of a function.

    Args:
        function: function as it was written: "train.py:train", relative to the working folder.
        file: path of the study file.

    Raises:
        AblateError: the function cannot be imported, or described.
    """
    place, _, name = function.rpartition(":")
    folder = file.resolve().parent
    if place.endswith(".py"):
        function = f"{os.path.relpath(Path(os.path.expanduser(place)).resolve(), folder)}:{name}"
    target = located_target(function, folder / file.name, "--experiment")
    description = describe(target, interpreter.of_study("", folder / file.name), folder, {}, "--experiment")
    stated = [p for p in description.parameters if p.name not in (HANDLE, SEED) and p.schema_.get("format") != "path"]
    factors = factors_of_model(model_of(stated, (), "", "--experiment"))
    return "\n".join([*_experiment(function, description, file), *_factors(factors), *_design(stated), ""])


def _experiment(function: str, description: Description, file: Path) -> Iterator[str]:
    names = {parameter.name: parameter for parameter in description.parameters}
    yield f"# A study of a function. One trial in the foreground: ablate try {file}   All of it: ablate run {file}"
    yield f"title = {toml_text(f'Ablation of {function}')}"
    yield 'select_on = "val_accuracy"  # number on validation that selects a row; "none": no row is selected'
    if {SEED, HANDLE} & names.keys():
        yield "seeds = [0, 1, 2]  # each row runs once with each of them"
    else:
        yield "seeds = [0]  # the function takes no seed; with a parameter `seed`, several can be stated"
    yield ""
    yield "[experiment]"
    yield f"function = {toml_text(function)}"
    yield 'task = "classes"  # what integer labels are; or "numbers": amounts, as in a regression'
    shared = next((name for name in names if name in LENGTHS), "")
    if shared and HANDLE in names:
        yield f'# shares = "{shared}"  # one training answers all levels; see ablate check'
    yield '# python = ".venv/bin/python"  # interpreter of the function'
    yield '# process = "kept"  # one process runs many trainings; for functions of milliseconds'
    yield '# inputs = ["data/*.npz"]  # files that it reads: other content, other results'
    yield "# version = 1  # count it up when a change of the code gives the same levels other results"
    yield from _settings(description)


def _settings(description: Description) -> Iterator[str]:
    paths = [p.name for p in description.parameters if p.schema_.get("format") == "path" and not p.has_default]
    if paths:
        yield ""
        yield "[experiment.settings]  # parameters that are no factors, the same in all rows"
        yield from (f'{name} = "PATH"' for name in paths)
    if description.left_out:
        yield f"# at their defaults, which no study file can state: {', '.join(description.left_out)}"


def _factors(factors: tuple[Factor, ...]) -> Iterator[str]:
    yield ""
    yield "[fixed]  # levels of all rows that state none; the defaults of the function:"
    for factor in factors:
        name = toml_text(factor.name) if "." in factor.name else factor.name
        if factor.required:
            yield f"{name} = {toml_text(LEVEL)}  # no default: write a level in place of LEVEL; {factor.allowed}"
        elif factor.default is None:
            yield f"# {name} = ...  # None; {factor.allowed}"
        else:
            yield f"# {name} = {_toml(factor.default)}  # {factor.allowed}"


def to_state(text: str) -> list[str]:
    """Return the instructions on a written study file that needs levels before it can run; [] where it needs none."""
    study = tomllib.loads(text)
    required = [name for name, level in study.get("fixed", {}).items() if level == LEVEL]
    lines = [f"[fixed] {name}: write a level in place of {LEVEL}; the function has no default" for name in required]
    if not study.get("one_at_a_time"):
        lines.append("[one_at_a_time]: state at least one factor and the levels to compare with its level in [fixed]")
    return lines


def _toml(level: Any) -> str:
    if isinstance(level, list | tuple):
        return f"[{', '.join(map(_toml, level))}]"
    return (
        toml_text(level) if isinstance(level, str) else str(level).lower() if isinstance(level, bool) else repr(level)
    )


def _design(parameters: list[Parameter]) -> Iterator[str]:
    """Yield a design that varies the first factors with an obvious second level."""
    others = {p.name: _others(p) for p in parameters}
    varied = [name for name, levels in others.items() if levels and name not in LENGTHS][:VARIED]
    yield ""
    yield "[one_at_a_time]  # each level alone, compared with all factors at their defaults; edit:"
    if not varied:
        yield "# state at least one factor here: remove the # before its line, and write levels in place of ..."
    for name, levels in others.items():
        key = toml_text(name) if "." in name else name
        yield f"{'' if name in varied else '# '}{key} = [{', '.join(levels) or '...'}]"
    yield "# in its place: [factorial] (every combination), [[rows]] (each row stated), or [leave_one_out]"


def _others(parameter: Parameter) -> list[str]:
    """Return levels of a factor other than its default, as TOML; [] where none is obvious."""
    schema, default = parameter.schema_, parameter.default
    if "enum" in schema:
        return [_toml(level) for level in schema["enum"] if level != default]
    if not parameter.has_default or default is None:
        return []
    text = other_level(float(default) if schema.get("type") == "number" else default)
    if schema.get("type") in ("integer", "number") and text:
        value = float(text)
        low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
        high = schema.get("exclusiveMaximum") if high is None else high
        if (low is not None and value < low) or (high is not None and value > high):
            return []
    return [text] if text else []
