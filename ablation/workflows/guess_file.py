"""Study file that `ablate import --guess` proposes for a source, for a person to check."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ablation.errors import AblateError
from ablation.measures import names
from ablation.sources import address
from ablation.sources.guess import Guess, guess
from ablation.sources.guess_examples import ExampleColumns
from ablation.workflows.import_request import Import

TABLES = ("csv", "excel")  # kinds of sources that are tables
RESULTS = "results; names begin with the split: val_, test_ or train_"
KEY = re.compile(r"[A-Za-z0-9_-]+")  # of TOML, without quotes
SHOWN, CANDIDATES, NOTES = 5, 20, 8


def guessed(imported: Import) -> str:
    """Return a commented study file with the fields of a source, each with what it probably is."""
    keys = imported.import_keys
    runs = address.read(keys.source, imported.path.parent, f"{imported.where}.from")
    proposed = guess(runs)
    lines = [
        f"# Proposed from {keys.source}: {len(runs.frame):,} {'lines' if runs.kind in TABLES else 'runs'}.",
        "# Check it, then: ablate import THIS_FILE",
        f"title = {json.dumps(imported.name)}",
        "# reference = 1  # the row that others are compared with: its number, or { factor = level }",
        "",
        "[import]",
        f"from = {json.dumps(keys.source)}",
        *([f"pattern = {_quoted(proposed.pattern)}  # fields from names"] if proposed.pattern else []),
        *_names("factors", proposed.factors, "fields that are settings and vary"),
        *_seed(proposed),
        *([f"long = {_table(proposed.long)}  # a line is one metric of a run"] if proposed.long else []),
        *([f"step = {json.dumps(proposed.step)}  # lines of one run are its steps"] if proposed.step else []),
        *(_examples(proposed.examples) if proposed.examples else []),
        *_metrics(proposed),
        *([] if proposed.examples else _names("costs", proposed.costs, "numbers that are costs")),
        *_ignored(proposed),
        *(f"# not used, {reason}: {_few(names)}" for reason, names in proposed.unused.items()),
        *(f"# note: {note}" for note in runs.notes[:NOTES]),
        *([f"# and {len(runs.notes) - NOTES} more notes"] if runs.notes[NOTES:] else []),
        *_directions(proposed),
    ]
    return "\n".join(lines) + "\n"


def _few(names: Sequence[str]) -> str:
    """Return the count of names, and the first ones."""
    more = f", and {len(names) - SHOWN} more" if names[SHOWN:] else ""
    return f"{', '.join(names[:SHOWN])}{more}"


def _quoted(pattern: str) -> str:
    """Return a pattern as TOML has it: without escapes, where it has no quote."""
    return f"'{pattern}'" if "'" not in pattern else json.dumps(pattern)


def _table(stated: Mapping[str, str]) -> str:
    pairs = ", ".join(f"{n if KEY.fullmatch(n) else json.dumps(n)} = {json.dumps(f)}" for n, f in stated.items())
    return f"{{ {pairs} }}"


def _names(key: str, stated: Mapping[str, str], comment: str) -> list[str]:
    if not stated:
        return [f"# {key} = {{ }}  # {comment}: none is recognized"]
    return [f"{key} = {_table(stated)}  # {comment}"]


def _examples(examples: ExampleColumns) -> list[str]:
    """Return the keys of a source whose lines are examples."""
    if examples.example:
        lines = [f"example = {json.dumps(examples.example)}  # a line is an example of a run; rows are paired by it"]
    else:
        lines = ['# example = "..."  # lines are examples: name the column that identifies them, which pairs the rows']
    if examples.columns:
        lines.append(f"columns = {_table(examples.columns)}  # of the examples")
    group = json.dumps(examples.group)
    return lines + ([f"# group = {group}  # if examples of one group are not independent"] if examples.group else [])


def _metrics(proposed: Guess) -> list[str]:
    """Return the numbers, or those to choose from where no name is recognized."""
    if proposed.examples and not proposed.metrics:
        return []
    if proposed.metrics or not proposed.candidates:
        comment = "a number an example" if proposed.examples else RESULTS
        return _names("metrics", proposed.metrics, comment)
    name = next(iter(proposed.candidates))
    measure = re.sub(r"\W+", "_", name).strip("_")
    ranges = [f"{field}: {low:.6g} to {high:.6g}" for field, (low, high) in proposed.candidates.items()]
    more = [f"#   and {len(ranges) - CANDIDATES} more"] if ranges[CANDIDATES:] else []
    return [
        "# metrics: no name is recognized. Choose from the numbers that vary, and write, such as:",
        f"# metrics = {_table({f'test_{measure}': name})}  # {RESULTS}",
        *(f"#   {text}" for text in ranges[:CANDIDATES]), *more,
    ]  # fmt: skip


def _ignored(proposed: Guess) -> list[str]:
    return (
        [f"ignore = {json.dumps(list(proposed.ignored))}  # differ in each run, or name it"] if proposed.ignored else []
    )


def _seed(proposed: Guess) -> list[str]:
    if proposed.seed:
        return [f"seed = {json.dumps(proposed.seed)}  # pairs the rows: the same seed means the same for all of them"]
    if proposed.fold:
        return [f"fold = {json.dumps(proposed.fold)}"]
    return ['# seed = "..."  # no field looks like a seed: repeats of a row are not paired']


def _task(proposed: Guess) -> str:
    return proposed.examples.task if proposed.examples else ""


def _directions(proposed: Guess) -> list[str]:
    """Return [measures] with the direction of each number, and a question where nobody states it."""
    lines = ["", "[experiment]", f'task = "{task}"  # classes or numbers'] if (task := _task(proposed)) else []
    if proposed.examples and not proposed.metrics:
        return lines
    lines += ["", "[measures]"]
    for name in dict.fromkeys(names.split_of(number)[1] for number in proposed.metrics):
        meaning = names.meaning(name)
        question = f"known as {meaning.title}" if meaning else "high or low? rows are selected by it only if stated"
        lines.append(f'# {name} = {{ best = "{meaning.best if meaning else "high"}" }}  # {question}')
    return lines


def write_new(path: Path, text: str) -> None:
    """Write a new file. Raises AblateError where it exists already, or cannot be written."""
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise AblateError(f"--write {path}: exists already; name another file") from None
    except OSError as error:
        raise AblateError(f"--write {path}: {error.strerror}") from None
