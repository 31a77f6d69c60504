"""Addresses of sources: `results.csv`, `json:out/*.json`, `mlflow:http://server:5000/cifar`, `folders:hydra:runs`."""

from collections.abc import Callable, Mapping
from pathlib import Path

from ablation.errors import AblateError
from ablation.sources import csv_file, folders, json_files, wandb_csv
from ablation.sources.runs import Runs

Reader = Callable[[str], Runs]
READERS: Mapping[str, Reader] = {
    "csv": csv_file.read, "json": json_files.read, "wandb": wandb_csv.read, "folders": folders.read,
}  # fmt: skip
BY_SUFFIX = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json"}
ALLOWED = (
    "a .csv, .json or .jsonl file, json:PATTERN, mlflow:URI/EXPERIMENT, optuna:URL/STUDY, wandb:FILE.csv, or "
    "folders:PRESET:FOLDER"
)


def read(address: str, folder: Path, where: str) -> Runs:
    """Return the runs of a source.

    Args:
        address: the source, as a user names it.
        folder: folder that relative paths start from.
        where: beginning of an error message.

    Raises:
        AblateError: the kind of the source is unknown, or the source cannot be read.
    """
    kind, colon, rest = address.partition(":")
    if not colon or kind not in READERS:
        kind, rest = BY_SUFFIX.get(Path(address).suffix.lower(), ""), address
    if kind not in READERS:
        raise AblateError(f"{where}: {address!r} is no source that is known; allowed: {ALLOWED}")
    return READERS[kind](_located(rest, folder))


def _located(rest: str, folder: Path) -> str:
    """Return the rest of an address with a relative path from this folder."""
    preset, colon, path = rest.partition(":")
    if "://" in rest:
        return rest
    if colon and preset.isalpha() and len(preset) > 1:
        return f"{preset}:{_located(path, folder)}"
    return str(folder / Path(rest).expanduser()) if rest else rest
