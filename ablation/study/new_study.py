"""Study files to start from: one of the Keras experiment, and one of a command that is given as an example line."""

import os.path
from collections.abc import Iterator
from pathlib import Path

from ablation.study.example_line import RENAMED, ExampleFactor, ExampleLine, toml_text
from ablation.study.levels import Level
from ablation.study.stated_rows import factors_of
from ablation.study.study_keys import MAX_SEED, StudyKeys

PRINTED = r"val[ _]?acc(?:uracy)?[:= ]+(-?\d+\.?\d*(?:[eE][+-]?\d+)?|nan)"
READ = (".json", ".jsonl", ".csv")
DEVICES = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")  # set for each slot


def starter() -> str:
    """Return a commented study file to start from."""
    loaded = factors_of(Path(), StudyKeys.model_validate({}))
    declared, measures = loaded.schema.factors, loaded.experiment.measures
    factors = "".join(f"# {f.name} = {_level(f.default)}  # {f.allowed}\n" for f in declared)
    return f"""\
# A study for ablate: state the rows, then  ablate run --grid THIS_FILE --data YOUR_IMAGES
title = "My ablation"
# reference = 1  # the row that the others are compared with; default: the row that most rows differ from in one factor
select_on = "val_accuracy"  # measure that selects a row, on validation only: {", ".join(f"val_{m}" for m in measures)}
seeds = [0]

[fixed]  # levels of all rows that do not set their own; every factor has a default:
{factors}# split_seed = 0  # for splits that the data do not define

# One design: [[rows]], each row stated ...
[[rows]]
learning_rate = 1e-4

[[rows]]
learning_rate = 1e-3
# published = {{ val_accuracy = 0.94, test_accuracy = 0.941, f1 = 0.94 }}  # printed next to yours

# ... or the full product:                [factorial]      fc_units = [2048, 4096]   dropout = [0.0, 0.25]
# ... or each level alone against [fixed]:  [one_at_a_time]  fc_units = [2048, 8192]
# ... or each component removed alone:      [leave_one_out]  dropout = {{ dropout = 0.0 }}
"""


def _level(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def of_command(line: ExampleLine, text: str, file: Path) -> str:
    """Return a commented study file of a command.

    Args:
        line: the example line, as `example_line.read` returns it.
        text: the example line as it was written.
        file: path of the study file.
    """
    return "\n".join([*_selection(line, text, file), *_experiment(line, file), *_results(line), *_design(line), ""])


def _printable(text: str) -> str:
    """Return a text as a comment may hold it, in one line."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _selection(line: ExampleLine, text: str, file: Path) -> Iterator[str]:
    yield f"# A study of a command. One trial in the foreground: ablate try {file}   All of it: ablate run {file}"
    yield f"# Made from: {_printable(text)}"
    yield f"title = {toml_text(f'Ablation of {line.script}')}"
    yield 'select_on = "val_accuracy"  # number on validation that selects a row; "none": no row is selected'
    if line.has_seed:
        first = line.seed or 0
        seeds = [n % (MAX_SEED + 1) for n in range(first, first + 3)]
        yield f"seeds = {seeds}  # each row runs once with each of them, in place of {{seed}}"
    else:
        yield "seeds = [0]  # the command takes no seed; with {seed} in it, several can be stated"


def _experiment(line: ExampleLine, file: Path) -> Iterator[str]:
    yield ""
    yield "[experiment]"
    yield "# {name} is the level of a factor, {folder} a folder of its own for each run, {seed} the seed; there are"
    yield "# {threads}, {device} (cpu or cuda), and {flags}: --name=value of all factors. No shell reads the line."
    yield f"command = {toml_text(line.command)}"
    folder = os.path.relpath(Path.cwd(), file.resolve().parent)
    yield f"{'# ' if folder == '.' else ''}cwd = {toml_text(folder)}  # folder in which it runs, relative to this file"
    variables = {name: value for name, value in line.variables.items() if name not in DEVICES}
    if variables:
        yield f"env = {{ {', '.join(f'{name} = {toml_text(value)}' for name, value in variables.items())} }}"
    if variables != line.variables:
        yield "# devices are chosen by --slots, as in: ablate run --slots gpu:0,1"
    yield "# version = 1  # count it up when a change of the code gives the same levels other results"
    yield '# checkpoint = "{folder}/*.ckpt"  # an interrupted run resumes: where such a file is, these are added:'
    yield '# resume = "--resume {checkpoint}"'
    yield '# ends = { 3 = "diverged" }  # other exit codes than 0 done, 75 interrupted, 137 out of memory'
    yield ""
    yield "[experiment.factors]  # default: level of rows that state none; also title, choices, above, below, from, to"
    yield from map(_factor, line.factors.values())


def _factor(factor: ExampleFactor) -> str:
    """Return a factor as a line of [experiment.factors]."""
    switch = "" if factor.if_true is None else f", true = {toml_text(factor.if_true)}"
    switch += "" if factor.if_false is None else f", false = {toml_text(factor.if_false)}"
    join = f", join = {toml_text(factor.join)}" if factor.join else ""
    return f"{factor.name} = {{ default = {factor.text}{switch}{join} }}  # {_kind(factor)}"


def _kind(factor: ExampleFactor) -> str:
    """Return the option of a factor and what its levels are, in words."""
    kinds = {bool: "true or false", int: "a whole number", float: "a number", list: "a list of numbers", str: "a text"}
    other = "; 1.0 in place of 1 allows fractions" if isinstance(factor.default, int) and factor.text == "1" else ""
    renamed = " (renamed: its name has another meaning here)" if factor.name.startswith(RENAMED) else ""
    return f"{_printable(factor.option)}: {kinds[type(factor.default)]}{other}{renamed}"


def _results(line: ExampleLine) -> Iterator[str]:
    yield ""
    yield "[experiment.results]"
    if line.files:
        file = next((f for f in line.files if f.endswith(READ)), "")
        folder = next((f for f in line.files if not Path(f).suffix), "{folder}")
        example = '{"val_accuracy": 0.91, "test_accuracy": 0.9, "latency_ms": 12.5}'
        yield f"file = {toml_text(file or f'{folder}/metrics.json')}  # which the command writes, as in {example}"
        yield "# numbers are of validation (val_), of the test (test_), or costs; .jsonl and .csv have a line a step"
    yield '# test = { examples = "{folder}/test.csv" }  # a line each: id,label,predicted: rows are compared by pairs'
    yield ""
    if not line.files:
        yield "[experiment.results.measures]  # what is printed: an expression with the number in brackets"
        yield f"val_accuracy = {{ stdout = '{PRINTED}' }}  # the last one counts"
        yield "# test_accuracy = { stdout = 'test accuracy: (\\S+)' }"
        return
    yield "# [experiment.results.measures]  # which numbers of the file, where not all are wanted, or by other names"
    yield '# val_accuracy = "eval.acc"'
    yield "# val_loss = { stdout = 'val loss: (\\S+)' }  # or printed"


def _design(line: ExampleLine) -> Iterator[str]:
    """Yield a design that varies the first factor with an obvious second level."""
    others = {name: other_level(factor.default) for name, factor in line.factors.items()}
    varied = next((name for name, other in others.items() if other), next(iter(others)))
    yield ""
    yield "[one_at_a_time]  # each level alone, the others as above, compared with all of them as above; edit:"
    yield f"{varied} = [{others[varied] or toml_text('ANOTHER')}]"
    yield from (f"# {name} = [{other or '...'}]" for name, other in others.items() if name != varied)
    yield "# in its place: [factorial] (every combination), [[rows]] (each row stated), or [leave_one_out]"


def other_level(level: Level) -> str:
    """Return another level as TOML; "" where none is obvious."""
    if isinstance(level, bool):
        return str(not level).lower()
    if isinstance(level, int):
        return str(2 * level or 1)
    if isinstance(level, float):
        return repr(float(f"{level / (2 if 0.1 < abs(level) < 1 else 10):.12g}") or 0.1)
    return f"[{', '.join(map(other_level, level))}]" if isinstance(level, list) else ""
