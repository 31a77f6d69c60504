"""Servers of MLflow, asked by read calls only."""

import functools
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote, urlsplit

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request

from ablation.errors import AblateError
from ablation.sources.readers.mlflow_runs import Experiment, MlflowRun, choose, made, order
from ablation.sources.readers.stored import Point
from ablation.sources.runs import Runs
from ablation.urls import first_line, masked, reach_loopback_directly, refuse_credentials

PAGE = 1000
HISTORIES = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"  # serves the charts of MLflow's pages
RUNS_A_REQUEST, POINTS_A_REQUEST = 100, 25_000  # limits of the server; it cuts a longer answer and does not say so
REQUESTS = 4  # at a time
EXPERIMENT_PAGE = re.compile(r"/experiments/(\w+)")  # in an address that was copied from a browser


def _pages(call: Callable[..., Any]) -> Iterator[Any]:
    """Yield the members of all pages of an answer."""
    token: str | None = None
    while token != "":
        page = call(max_results=PAGE, page_token=token)
        yield from page
        token = page.token or ""


def _splits(address: str) -> Iterator[tuple[str, str]]:
    """Yield (URL of a server, name of an experiment): the server may be below a path, and names contain slashes."""
    parts = urlsplit(address)
    page = EXPERIMENT_PAGE.search(f"{parts.path}/{parts.fragment}" if parts.fragment else "")
    names = [name for name in parts.path.split("/") if name]
    for count in range(len(names) + 1):
        base = "/".join([f"{parts.scheme}://{parts.netloc}", *names[:count]])
        wanted = unquote("/".join(names[count:]))
        yield base, page[1] if page and not wanted else wanted


def _connect(address: str) -> tuple[str, str, dict[str, str]]:
    """Return the URL of the server, the name of an experiment, and id -> name of the server's experiments."""
    first: Exception | None = None
    for base, wanted in _splits(address):
        try:
            experiments = _pages(MlflowClient(base).search_experiments)
            return base, wanted, {str(e.experiment_id): str(e.name) for e in experiments}
        except MlflowException as error:
            first = first or error
            if "failed with exception" in str(error):  # no answer: no other path has one
                break
    raise AblateError(f"{masked(address)}: {first_line(first) if first else 'no answer'}")


def _run(stored: Any) -> MlflowRun:
    info, data = stored.info, stored.data
    return MlflowRun(info.run_id, info.run_name, info.status, info.start_time, info.end_time, data.params, data.tags)


class Histories:
    """Histories of metrics of a server: of up to 100 runs in one request, where the server has this request."""

    def __init__(self, base: str) -> None:
        self._base, self._client = base, MlflowClient(base)
        self._credentials = get_default_host_creds(base)  # type: ignore[no-untyped-call]

    def _at_once(self, metric: str, runs: Sequence[str]) -> list[Mapping[str, Any]] | None:
        """Return the points of up to 100 runs; None where the server has no such request."""
        parameters = {"run_id": runs, "metric_key": metric, "max_results": POINTS_A_REQUEST}
        request: Callable[..., Any] = http_request
        answer = request(self._credentials, HISTORIES, "GET", raise_on_status=False, params=parameters)
        if answer.status_code != 200 or "json" not in answer.headers.get("Content-Type", ""):
            return None
        points: list[Mapping[str, Any]] = answer.json()["metrics"]
        return points

    def _one(self, metric: str, run: str) -> list[Mapping[str, Any]]:
        points = self._client.get_metric_history(run, metric)
        return [{"run_id": run, "step": p.step, "timestamp": p.timestamp, "value": p.value} for p in points]

    def points(self, metric: str, runs: Sequence[str]) -> list[Mapping[str, Any]]:
        """Return all points of a metric, by halves of the runs where the server would cut the answer."""
        points = self._at_once(metric, runs)
        if points is not None and len(points) < POINTS_A_REQUEST:
            return points
        if points is None or len(runs) == 1:
            return [point for run in runs for point in self._one(metric, run)]
        half = len(runs) // 2
        return self.points(metric, runs[:half]) + self.points(metric, runs[half:])


def _points(base: str, stored: Sequence[Any], positions: Mapping[str, int]) -> Iterator[Point]:
    """Yield the values of all metrics of runs."""
    histories = Histories(base)
    runs_of: dict[str, list[str]] = {}
    for run in stored:
        for metric in run.data.metrics:
            runs_of.setdefault(metric, []).append(run.info.run_id)
    requests = [(metric, list(batch)) for metric, runs in runs_of.items() for batch in _batched(runs)]
    with ThreadPoolExecutor(REQUESTS) as pool:
        answers = pool.map(lambda request: histories.points(*request), requests)
        for (metric, _), points in zip(requests, answers, strict=True):
            for p in points:
                yield positions[p["run_id"]], metric, int(p["step"]), float(p["timestamp"]), float(p["value"])


def _batched(runs: Sequence[str]) -> Iterator[Sequence[str]]:
    return (runs[start : start + RUNS_A_REQUEST] for start in range(0, len(runs), RUNS_A_REQUEST))


def _count(client: MlflowClient, key: str) -> int:
    return sum(1 for _ in _pages(functools.partial(client.search_runs, [key])))


def read(address: str) -> Runs:
    """Return the runs of an experiment of a server, with the whole history of all metrics.

    Args:
        address: URL[/EXPERIMENT]; a password belongs in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.
    """
    if not urlsplit(address).hostname:
        raise AblateError(f"{masked(address)}: no name of a server; write http://HOST:PORT[/EXPERIMENT]")
    refuse_credentials("mlflow", address)
    reach_loopback_directly()
    base, wanted, names = _connect(address)
    client = MlflowClient(base)
    try:
        if not wanted and len(used := [key for key in names if client.search_runs([key], max_results=1)]) == 1:
            wanted = used[0]
        key = choose(address, names, wanted, lambda key: _count(client, key))
        stored = sorted(_pages(functools.partial(client.search_runs, [key])), key=lambda run: order(_run(run)))
        positions = {run.info.run_id: position for position, run in enumerate(stored)}
        experiment = Experiment(address, base, names[key])
        return made(experiment, [_run(run) for run in stored], _points(base, stored, positions))
    except MlflowException as error:
        raise AblateError(f"{masked(address)}: {first_line(error)}") from None
