"""Files of examples: one a run, in the folder of the run, or named by a column of the source."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ablation.errors import AblateError
from ablation.sources import address, per_example
from ablation.sources.cells import is_missing
from ablation.sources.fields import resolved
from ablation.sources.per_example import Columns
from ablation.sources.rows import Replicate
from ablation.sources.runs import ARTIFACTS, DONE, FOLDER, STATUS, Runs
from ablation.study.import_keys import ImportKeys

NAMES = ("label", "predicted", "score", "group", "repeat", "probability", "correct")  # columns that need no statement
ID = "id"
SHOWN = 3  # runs that an error message lists


def column_of(runs: Runs, keys: ImportKeys, where: str) -> str:
    """Return the field that names the file of each run; "" where the files have one name in the folders of runs."""
    if not keys.examples or keys.examples not in runs.frame:
        if keys.examples and not {FOLDER, ARTIFACTS, "file"} & set(runs.frame.columns):
            return resolved(runs, keys.examples, f"{where}.examples")  # a field, or an error that names the nearest
        return ""
    return keys.examples


def of_runs(
    runs: Runs, replicates: Sequence[Replicate], keys: ImportKeys, where: str
) -> tuple[dict[int, Columns], dict[str, str]]:
    """Return run -> columns of its examples, and name of a file -> sha256 of its content.

    A run that did not end may lack its file.

    Args:
        runs: runs of a source.
        replicates: runs that the study uses.
        keys: keys of [import], with `examples`.
        where: beginning of an error message.

    Raises:
        AblateError: a file is missing, is outside the folder of the source, or a column is missing.
    """
    column, chosen = column_of(runs, keys, where), [replicate.run for replicate in replicates]
    paths = dict(_paths(runs, chosen, keys.examples, column, f"{where}.examples"))
    missing = [run for run in chosen if run not in paths or not paths[run].is_file()]
    if ended := [run for run in missing if STATUS not in runs.frame or runs.frame[STATUS].iloc[run] == DONE]:
        shown = ", ".join(str(paths.get(run, f"run {run + 1}")) for run in ended[:SHOWN])
        more = f" and {len(ended) - SHOWN} more" if ended[SHOWN:] else ""
        runs_have = f"{len(ended)} runs have" if ended[1:] else "1 run has"
        raise AblateError(f"{where}.examples: {runs_have} no such file ({shown}{more}); leave such runs out with where")
    read = {run: _columns(path, keys, where) for run, path in paths.items() if run not in missing}
    if not read:
        raise AblateError(f"{where}.examples: no run has a file {keys.examples}")
    _refuse_two_labels(read, replicates, f"{where}.examples")
    digests = {str(paths[run]): hashlib.sha256(paths[run].read_bytes()).hexdigest() for run in read}
    return read, digests


def _refuse_two_labels(read: Mapping[int, Columns], replicates: Sequence[Replicate], where: str) -> None:
    """Raise AblateError where runs of one seed have different labels of one example."""
    of_seeds: dict[int, dict[str, Any]] = {}
    for replicate in replicates:
        if (columns := read.get(replicate.run)) is None or "label" not in columns:
            continue
        labels = of_seeds.setdefault(replicate.seed, {})
        for example, label in zip(columns["id"].tolist(), columns["label"].tolist(), strict=True):
            if labels.setdefault(example, label) != label:
                raise AblateError(
                    f"{where}: example {example!r} has the label {label} in run {replicate.run + 1} and "
                    f"{labels[example]} in another run of its seed; mend the files"
                )


def _paths(runs: Runs, chosen: Sequence[int], name: str, column: str, where: str) -> Iterator[tuple[int, Path]]:
    """Yield (run, path of its file). Raises AblateError where the file is outside the folder of its source."""
    for run in chosen:
        line = runs.frame.iloc[run]
        if column and is_missing(line[column]):
            continue
        base = runs.root if column else _folder(runs, line)
        if base is None:
            raise AblateError(f"{where}: run {run + 1} has no folder on this machine; download its artifacts")
        path = base / str(line[column] if column else name)
        if not path.resolve().is_relative_to(base.resolve()):
            raise AblateError(f"{where}: {path} is outside {base}; move the file there")
        yield run, path


def _folder(runs: Runs, line: Any) -> Path | None:
    """Return the folder with the files of a run."""
    if ARTIFACTS in line and not is_missing(line[ARTIFACTS]):
        return Path(line[ARTIFACTS])
    if runs.root is None:
        return None
    if FOLDER in line and not is_missing(line[FOLDER]):
        return runs.root / str(line[FOLDER])
    return (runs.root / str(line["file"])).parent if "file" in line else None


def _columns(path: Path, keys: ImportKeys, where: str) -> Columns:
    """Return the columns of the examples in a file, as [import] states them."""
    stated = keys.columns | ({"group": keys.group} if keys.group else {})
    return columns_of(path, stated, keys.example, f"{where}.examples", f"{where}.examples: {path}")


def columns_of(path: Path, stated: Mapping[str, str], example: str, where: str, place: str) -> Columns:
    """Return the columns of the examples in a file: id, label, predicted, scores, ...

    Args:
        path: file with a line an example.
        stated: column of the examples -> field; {} for those with known names.
        example: field that identifies the example; "" for `id`.
        where: beginning of an error message on the file.
        place: beginning of an error message on its fields.

    Raises:
        AblateError: the file cannot be read, or a column is missing.
    """
    lines = address.read(str(path), Path(), where)
    columns = {name: resolved(lines, field, place) for name, field in stated.items()}
    if not columns:
        columns = {
            name: name for name in map(str, lines.frame.columns) if name in NAMES or name.startswith("probability_")
        }
    if not columns:
        listed = ", ".join(map(str, lines.frame.columns))
        raise AblateError(f"{place}: state its columns: columns = {{ label = ..., predicted = ... }}; it has {listed}")
    identifier = resolved(lines, example or ID, f"{place}: example")
    if "label" in columns:
        per_example.refuse_two_labels(lines.frame, identifier, columns["label"], "", place)
    return per_example.of_lines(lines, identifier, columns, (), place)[1][0]
