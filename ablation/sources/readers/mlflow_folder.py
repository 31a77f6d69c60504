"""File stores of MLflow (`mlruns`): one folder a run, one file a param, a metric or a tag."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ablation.errors import AblateError
from ablation.sources.readers.documents import yaml_value
from ablation.sources.readers.mlflow_runs import Experiment, MlflowRun, choose, made, order, trash
from ablation.sources.readers.stored import Point
from ablation.sources.runs import Runs
from ablation.urls import masked

META = "meta.yaml"
STATES = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
NOTES = 20
LARGEST_FILE = 10_000_000  # bytes of a param, a tag or a description of a run


@dataclass
class Folder:
    """Folder of a file store, which notes what it could not read."""

    root: Path
    notes: dict[str, None] = field(default_factory=dict)  # in order, and none twice

    def note(self, sentence: str) -> None:
        """Add a sentence, up to a number that a person would read."""
        if len(self.notes) < NOTES:
            self.notes[sentence] = None
        else:
            self.notes["further notes on files are left out"] = None

    @cached_property
    def _resolved(self) -> Path:
        return self.root.resolve()

    def holds(self, path: Path) -> bool:
        """Return whether a path is no link that leads out of the folder."""
        if not path.is_symlink() or path.resolve().is_relative_to(self._resolved):
            return True
        self.note(f"{path}: a link out of the folder, left out")
        return False

    def folders(self, place: Path) -> list[Path]:
        """Return the folders in a folder, in the order of their names."""
        names = sorted(path for path in place.iterdir() if not path.name.startswith("."))
        return [path for path in names if path.is_dir() and self.holds(path)]

    def files(self, place: Path) -> Iterator[tuple[str, Path]]:
        """Yield (name, file) of all files below a folder; MLflow makes a folder of a name with a slash."""
        for parent, _, names in os.walk(place):
            for path in sorted(Path(parent) / name for name in names):
                if path.is_file() and self.holds(path):
                    yield path.relative_to(place).as_posix(), path

    def text(self, path: Path) -> str:
        """Return the text of a small file."""
        with open(path, "rb") as file:
            content = file.read(LARGEST_FILE)
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError:
            self.note(f"{path}: not UTF-8, read as latin-1")
            return content.decode("latin-1")

    def texts(self, place: Path) -> dict[str, str]:
        """Return name -> text of the files below a folder."""
        return {name: self.text(path) for name, path in self.files(place)}

    def meta(self, place: Path) -> dict[str, object]:
        """Return the description of an experiment or a run; empty where it is missing or broken."""
        path = place / META
        if not path.is_file() or not self.holds(path):
            return {}
        try:
            content = yaml_value(self.text(path), str(path))
        except AblateError:
            self.note(f"{path}: not valid YAML")
            return {}
        return content if isinstance(content, dict) else {}

    def is_run(self, place: Path) -> bool:
        """Return whether a folder of an experiment is a run."""
        return any((place / name).is_dir() for name in ("params", "metrics")) or "artifact_uri" in self.meta(place)

    def is_experiment(self, place: Path) -> bool:
        """Return whether a folder is an experiment. Version control may lack the description of one."""
        return "artifact_location" in self.meta(place) or any(self.is_run(run) for run in self.folders(place))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _run(folder: Folder, place: Path, meta: dict[str, object]) -> MlflowRun:
    """Return one run."""
    status = meta.get("status")
    return MlflowRun(
        run_id=str(meta.get("run_id") or meta.get("run_uuid") or place.name),
        name=str(meta.get("run_name") or meta.get("name") or "") or None,
        status=STATES.get(status, "") if isinstance(status, int) else str(status or ""),
        start=_number(meta.get("start_time")),
        end=_number(meta.get("end_time")),
        params=folder.texts(place / "params"),
        tags=folder.texts(place / "tags"),
        artifacts=str(place / "artifacts") if (place / "artifacts").is_dir() else "",
        reason=None if meta else f"{META} is missing or cannot be read: the status is unknown",
    )


def _points(folder: Folder, place: Path, position: int) -> Iterator[Point]:
    """Yield the values of all metrics of a run: lines of time, value, and a step, except in the oldest stores."""
    for name, path in folder.files(place / "metrics"):
        with open(path, "rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(LARGEST_FILE), b""), start=1):
                fields = line.split()
                try:
                    step = int(fields[2]) if len(fields) > 2 else 0
                    yield position, name, step, float(fields[0]), float(fields[1])
                except (ValueError, IndexError):
                    folder.note(f"{path}: line {number} is no value of a metric, left out")


def _experiments(folder: Folder) -> dict[str, tuple[Path, str]]:
    """Return id -> folder and name of active experiments."""
    experiments = {}
    for place in folder.folders(folder.root):
        meta = folder.meta(place)
        if meta.get("lifecycle_stage", "active") == "active" and folder.is_experiment(place):
            experiments[place.name] = place, str(meta.get("name") or place.name)
    return experiments


def _stored(folder: Folder, place: Path) -> tuple[list[tuple[Path, dict[str, object]]], int]:
    """Return folder and description of the active runs of an experiment, and the number of the deleted ones."""
    runs = [(run, folder.meta(run)) for run in folder.folders(place) if folder.is_run(run)]
    active = [(run, meta) for run, meta in runs if meta.get("lifecycle_stage", "active") != "deleted"]
    return active, len(runs) - len(active)


def read(path: Path, address: str, wanted: str) -> Runs:
    """Return the runs of an experiment.

    Args:
        path: Folder `mlruns`, the folder of one experiment in it, or the folder that `mlruns` is in.
        address: Address of the source, as the user named it.
        wanted: Name or id of the experiment; "" for the one that has runs.
    """
    folder = Folder(path / "mlruns" if not wanted and (path / "mlruns").is_dir() else path)
    if not wanted and folder.is_experiment(folder.root):
        folder, wanted = Folder(path.absolute().parent), path.absolute().name
    experiments = _experiments(folder)
    if not experiments:
        if wanted:
            raise AblateError(f"{masked(address)}: no such file or folder")
        raise AblateError(f"{path}: not a folder of MLflow: no experiment with a {META} in it")
    names = {key: name for key, (_, name) in experiments.items()}
    place, name = experiments[choose(address, names, wanted, lambda key: len(_stored(folder, experiments[key][0])[0]))]
    active, deleted = _stored(folder, place)
    if deleted:
        folder.note(trash(deleted))
    pairs = sorted(((_run(folder, run, meta), run) for run, meta in active), key=lambda pair: order(pair[0]))
    points = (point for k, (_, run) in enumerate(pairs) for point in _points(folder, run, k))
    return made(Experiment(address, str(place), name, folder.notes), [run for run, _ in pairs], points)
