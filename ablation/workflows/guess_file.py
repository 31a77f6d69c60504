"""Study file that `ablate import --guess` proposes for a source, for a person to check."""

import json
from pathlib import Path

from ablation.errors import AblateError
from ablation.measures import names
from ablation.sources import address
from ablation.sources.guess import Guess, guess
from ablation.workflows.import_options import Import


def guessed(imported: Import) -> str:
    """Return a commented study file with the fields of a source, each with what it probably is."""
    keys = imported.import_keys
    runs = address.read(keys.source, imported.path.parent, f"{imported.where}.from")
    proposed = guess(runs)
    lines = [
        f"# Proposed from {keys.source}: {len(runs.frame):,} {'lines' if runs.kind == 'csv' else 'runs'}.",
        "# Check it, then: ablate import THIS_FILE",
        f"title = {json.dumps(imported.name)}",
        "# reference = 1  # the row that others are compared with: its number, or { factor = level }",
        "",
        "[import]",
        f"from = {json.dumps(keys.source)}",
        *_names("factors", proposed.factors, "fields that are settings and vary"),
        *_seed(proposed),
        *([f"step = {json.dumps(proposed.step)}  # lines of one run are its steps"] if proposed.step else []),
        *_names("metrics", proposed.metrics, "results; names begin with the split: val_, test_ or train_"),
        *_names("costs", proposed.costs, "numbers that are costs"),
        *(
            [f"ignore = {json.dumps(list(proposed.ignored))}  # differ in each run, or name it"]
            if proposed.ignored
            else []
        ),
        *(f"# not used: {name} ({reason})" for name, reason in proposed.unused.items()),
        *(f"# note: {note}" for note in runs.notes),
        *_directions(proposed),
    ]
    return "\n".join(lines) + "\n"


def _names(key: str, stated: dict[str, str], comment: str) -> list[str]:
    if not stated:
        return [f"# {key} = {{ }}  # {comment}: none is recognized"]
    pairs = ", ".join(f"{json.dumps(n) if not n.isidentifier() else n} = {json.dumps(f)}" for n, f in stated.items())
    return [f"{key} = {{ {pairs} }}  # {comment}"]


def _seed(proposed: Guess) -> list[str]:
    if proposed.seed:
        return [f"seed = {json.dumps(proposed.seed)}  # pairs the rows: the same seed means the same for all of them"]
    if proposed.fold:
        return [f"fold = {json.dumps(proposed.fold)}"]
    return ['# seed = "..."  # no field looks like a seed: repeats of a row are not paired']


def _directions(proposed: Guess) -> list[str]:
    """Return [measures] with the direction of each number, and a question where nobody states it."""
    lines = ["", "[measures]"]
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
