"""Addresses of sources: `results.csv`, `json:out/*.json`, `mlflow:http://server:5000/cifar`, `folders:hydra:runs`."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from ablation.errors import AblateError
from ablation.sources.runs import Runs

READERS: Mapping[str, str] = {  # modules with a function `read`; MLflow and Optuna are loaded only where needed
    "csv": "csv_file", "json": "json_files", "wandb": "wandb_csv", "folders": "folders", "mlflow": "mlflow_store",
    "optuna": "optuna_store",
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
    kind, colon, place = address.partition(":")
    if not colon or kind not in READERS:
        kind, place = BY_SUFFIX.get(Path(address).suffix.lower(), ""), address
    if kind not in READERS:
        raise AblateError(f"{where}: {address!r} is no source that is known; allowed: {ALLOWED}")
    runs: Runs = import_module(f"ablation.sources.readers.{READERS[kind]}").read(_located(place, folder))
    return runs


def _located(place: str, folder: Path) -> str:
    """Return the place of an address with a relative path from this folder."""
    preset, colon, path = place.partition(":")
    if "://" in place:
        return place
    if colon and preset.isalpha() and len(preset) > 1:
        return f"{preset}:{_located(path, folder)}"
    return str(folder / Path(place).expanduser()) if place else place
