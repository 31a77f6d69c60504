"""All that a study leaves in its workspace and in both databases, without times, places and random ids: equal for two
runs that came to the same."""

import csv
import hashlib
import io
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import Run

from ablation.report import verify
from ablation.store import header
from ablation.store.files import TEMPORARY
from ablation.store.workspace import Workspace
from ablation.trackers.databases import sqlite_url

DATED_COLUMNS = ("started", "seconds", "attempts", "memory")  # of trials.csv
DATED_TAGS = ("ablate.state", "mlflow.parentRunId", "mlflow.source", "mlflow.user", "mlflow.runName")
GROWING = (  # compared by name alone
    "lock", "run.log", "attempts.jsonl", "report.html", "costs.csv", "costs.md", "costs.tex", "trackers.json",
)  # fmt: skip
RAW = re.compile(r"/child/(metrics|(result|val|test)-\d+)\.\w+\Z")  # results of a command, and of a function
VERIFIED = ("table.csv", "table.tex", "table.md", "trials.csv", "costs.csv", "contrasts.csv", "macros.tex")


def _result(text: str) -> dict[str, Any]:
    stored: dict[str, Any] = json.loads(text)
    history = [{k: v for k, v in epoch.items() if k != "time"} for epoch in stored["history"]]
    dated = ("attempts", "memory", "started", "finished")
    return {k: v for k, v in stored.items() if k not in dated} | {"history": history, header.KEY: ""}


def _trials(text: str) -> list[dict[str, str]]:
    return [{k: v for k, v in line.items() if k not in DATED_COLUMNS} for line in csv.DictReader(io.StringIO(text))]


def _content(path: Path) -> Any:
    """Return what is compared of a file: of one of a user's program its name. Raises ValueError where it is half
    written."""
    if path.name in GROWING or path.parent.name == "child":
        return [json.loads(line) for line in path.open()] and "read" if path.suffix == ".jsonl" else ""
    if path.name.startswith(("result-", "failure")):
        return _result(path.read_text())
    if path.name == "training.json":  # of a training that is resumed: the milestones that were lacking
        return {k: v for k, v in json.loads(path.read_text()).items() if k not in ("milestones", header.KEY)}
    if path.name == "selection.json":
        return {k: v for k, v in json.loads(path.read_text()).items() if k not in ("sealed", header.KEY)}
    if path.name == "source.json":
        return {k: v for k, v in json.loads(path.read_text()).items() if k not in ("read", header.KEY)}
    if path.name == "study-files.jsonl":
        return [{k: v for k, v in json.loads(line).items() if k != "time"} for line in path.open()]
    if path.name == "trials.csv":
        return _trials(path.read_text())
    if path.name == "progress.json":
        stored = json.loads(path.read_text())
        return {k: stored[k] for k in ("total", "done", "failed", "over")}
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _files(root: Path) -> dict[str, Any]:
    """Aside: databases and what belongs to them, logs, half-written files, which nothing reads, and checkpoints: one
    that is left by a run which died once its training was done is named by `ablate clean`. And the raw results of
    such a training, which are deleted once they are stored: they stay among the files of a kept row, or the names of
    deleted ones."""
    left = ("checkpoint-", "deleted.json")
    places = [p for p in sorted(root.rglob("*")) if p.is_file() and not p.name.startswith(left)]
    places = [p for p in places if not RAW.search(p.as_posix()) and f"/{TEMPORARY}" not in p.as_posix()]
    names = {p: p.relative_to(root).as_posix() for p in places}
    return {n: _content(p) for p, n in names.items() if not n.startswith(("optuna.db", "mlflow.db", "mlartifacts/"))}


def _optuna(root: Path, name: str) -> dict[str, Any]:
    study = optuna.load_study(study_name=name, storage=sqlite_url(root / "optuna.db"))
    trials = study.get_trials()
    complete = [t for t in trials if t.state.name == "COMPLETE"]
    return {
        "trials": sorted(
            ([t.user_attrs, t.params, t.value, sorted(t.intermediate_values.items())] for t in complete), key=str
        ),
        "other states": sorted({t.state.name for t in trials} - {"COMPLETE", "FAIL"}),
        "study": study.user_attrs,
    }


def _artifacts(run: str, uri: str) -> dict[str, str]:
    place = Path(download_artifacts(run_id=run, artifact_path="", tracking_uri=uri))
    own = ".artifact.uploading"  # MLflow's, of an upload that was cut
    files = {}
    for path in sorted(p for p in place.rglob("*") if p.is_file() and not p.name.startswith(own)):
        name = path.relative_to(place).as_posix()
        files[name] = "" if name in GROWING else hashlib.sha256(path.read_bytes()).hexdigest()
    return files


def _run(client: MlflowClient, run: Run, uri: str) -> dict[str, Any]:
    """Return name, status, parameters, tags and inputs of a run, and of each metric the steps and the last value."""
    metrics = {}
    for name in run.data.metrics:
        history = client.get_metric_history(run.info.run_id, name)
        value = None if name == "time/train_s" else run.data.metrics[name]
        metrics[name] = [value, sorted({point.step for point in history})]
    files = _artifacts(run.info.run_id, uri) if client.list_artifacts(run.info.run_id) else {}
    tags = {k: v for k, v in run.data.tags.items() if not k.startswith(DATED_TAGS)}
    inputs = sorted((i.dataset.name, i.dataset.digest) for i in run.inputs.dataset_inputs)
    return {
        "name": run.info.run_name, "status": run.info.status, "params": run.data.params, "metrics": metrics,
        "tags": tags, "files": files, "inputs": inputs,
    }  # fmt: skip


def _mlflow(root: Path) -> list[dict[str, Any]]:
    uri = sqlite_url(root / "mlflow.db")
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("ablate")
    assert experiment
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    return sorted((_run(client, run, uri) for run in runs), key=str)


def _unverified(root: Path, name: str) -> list[str]:
    paths = [path for file in VERIFIED if (path := root / name / file).exists()]
    checked = [verify.check(Workspace(root), path) for path in paths]
    return [line for table in checked for line in table.mismatches]


def look(root: Path, name: str, database: bool) -> dict[str, Any]:
    """`name`: of the study. `database`: whether Optuna and MLflow were sent it."""
    return {
        "files": _files(root),
        "optuna": _optuna(root, name) if database else {},
        "mlflow": _mlflow(root) if database else [],
        "verify": _unverified(root, name),
        "half-written": Counter(p.suffix for p in root.rglob(f"{TEMPORARY}*")),
    }
