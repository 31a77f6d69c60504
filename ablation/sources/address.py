"""Addresses of sources: `results.csv`, `json:out/*.json`, `mlflow:http://server:5000/cifar`, `folders:hydra:runs`."""

import contextlib
import os
from collections import Counter
from collections.abc import Mapping
from importlib import import_module
from itertools import islice
from pathlib import Path

from ablation.errors import AblateError
from ablation.nearest import nearest
from ablation.sources.readers.compressed import plain_name
from ablation.sources.runs import Runs

MOST = 10_000  # files of a folder that decide on its kind

READERS: Mapping[str, str] = {  # modules with a function `read`; MLflow and Optuna are loaded only where needed
    "csv": "csv_file", "json": "json_files", "excel": "workbook", "wandb": "wandb_csv", "folders": "folders",
    "mlflow": "mlflow_store", "optuna": "optuna_store",
}  # fmt: skip
BY_SUFFIX = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".dat": "csv", ".log": "csv", ".json": "json", ".jsonl": "json",
    ".ndjson": "json", ".xlsx": "excel", ".xlsm": "excel",
}  # fmt: skip
ALLOWED = (
    "a .csv, .tsv, .xlsx, .json or .jsonl file (also .gz), a folder, json:PATTERN, csv:PATTERN, mlflow:URI/EXPERIMENT, "
    "optuna:URL/STUDY, wandb:FILE.csv, or folders:PRESET:FOLDER"
)
BY_PANDAS = "convert it: python -c \"import pandas; pandas.{}('{}').to_csv('{}.csv', index=False)\""
UNREAD = {  # suffix -> what to do with such a file
    ".parquet": BY_PANDAS, ".feather": BY_PANDAS, ".pkl": BY_PANDAS, ".pickle": BY_PANDAS, ".xls": BY_PANDAS,
    ".ods": BY_PANDAS, ".h5": BY_PANDAS, ".zst": "decompress it: zstd -d {1}", ".zip": "unpack it: unzip {1}",
    ".tar": "unpack it: tar -xf {1}", ".tgz": "unpack it: tar -xf {1}",
    ".npz": "write its arrays as columns of a CSV, one line a run",
    ".npy": "write its array as columns of a CSV, one line a run",
}  # fmt: skip
FUNCTIONS = {".parquet": "read_parquet", ".feather": "read_feather", ".h5": "read_hdf", ".xls": "read_excel",
             ".ods": "read_excel"}  # fmt: skip
EVENTS = "tfevents"
OF_EVENTS = (
    "event files of TensorBoard are not read; write their scalars as a CSV with the columns run, metric, step, value "
    "(tensorboard's EventAccumulator, or Download CSV in its page), then: --long --step step"
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
    if "\0" in address:
        raise AblateError(f"{where}: {address[:80]!r} has a zero character, which no path has")
    kind, colon, place = address.partition(":")
    if not colon or kind not in READERS:
        kind, place = _kind(address, folder, where), address
    runs: Runs = import_module(f"ablation.sources.readers.{READERS[kind]}").read(_located(place, folder))
    return runs


def _kind(address: str, folder: Path, where: str) -> str:
    """Return the kind of a source by its name, or by the files of a folder.

    Raises AblateError where the kind is unknown, or known and not read.
    """
    path = Path(_located(address, folder))
    if path.is_dir():
        return _kind_of_folder(path, address, where)
    name = address if path.is_file() else address.rpartition("#")[0] or address  # of a sheet: FILE.xlsx#SHEET
    suffix = plain_name(Path(name)).suffix.lower()
    if suffix in BY_SUFFIX:
        if near := _near(Path(_located(name, folder))):
            raise AblateError(f"{where}: {address}: no such file{near}")
        return BY_SUFFIX[suffix]
    if EVENTS in path.name:
        raise AblateError(f"{where}: {address}: {OF_EVENTS}")
    if suffix in UNREAD:
        advice = UNREAD[suffix].format(FUNCTIONS.get(suffix, "read_pickle"), address, path.stem)
        raise AblateError(f"{where}: {address}: {suffix} files are not read; {advice}")
    raise AblateError(f"{where}: {address!r} is no source that is known; allowed: {ALLOWED}{_near(path)}")


def _near(path: Path) -> str:
    """Return the nearest name in the folder of a path that does not exist, as the end of a message."""
    with contextlib.suppress(OSError):
        if not path.exists():
            return nearest(path.name, (one.name for one in path.parent.iterdir() if not one.name.startswith(".")))
    return ""


def _kind_of_folder(path: Path, address: str, where: str) -> str:
    """Return the kind of the results in a folder: of a tool whose files are there, otherwise CSV or JSON files."""
    if (path / "mlruns").is_dir() or path.name == "mlruns":
        return "mlflow"
    if import_module("ablation.sources.readers.folders").detect(path):
        return "folders"
    names = [p.name.lower() for p in islice(path.rglob("*"), MOST) if p.is_file()]
    kinds = Counter(BY_SUFFIX.get(plain_name(Path(name)).suffix, "") for name in names)
    for kind in ("csv", "json"):
        if kinds[kind]:
            return kind
    if any(EVENTS in name for name in names):
        raise AblateError(f"{where}: {address}: {OF_EVENTS}")
    suffixes = ", ".join(sorted({Path(name).suffix or name for name in names})[:6]) or "no file"
    raise AblateError(
        f"{where}: {address}: a folder without results that are read (it has {suffixes}); allowed: {ALLOWED}"
    )


def _located(place: str, folder: Path) -> str:
    """Return the place of an address with a relative path from this folder."""
    preset, colon, path = place.partition(":")
    if "://" in place:
        return place
    if colon and preset.isalpha() and len(preset) > 1:
        return f"{preset}:{_located(path, folder)}"
    return str(folder / Path(os.path.expanduser(place))) if place else place
