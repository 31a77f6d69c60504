"""What several tests share: small image sets, small studies, and the real faces where they are."""

import contextlib
import csv
import gc
import io
import os
import pty
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

if "PYTEST_XDIST_WORKER" in os.environ:  # two tests at a time: the threads of each would spin for a core of the other
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy reads it when it is imported
import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from ablation import cli
from ablation.cli.terminal.progress import Plain
from ablation.study.study_file import read as read_study
from ablation.workflows.run_options import RunOptions
from ablation.workflows.run_study import run_study

# A busy machine is slow, and that is no fault of the code: no test here judges time.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
CHROMIUM = Path("/usr/bin/chromium")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]  # fmt: skip
TESTS = Path(__file__).parent
ROOT = TESTS.parent
SHARED = ROOT.parent / "shared" / "data"
OLD = TESTS / "data" / "workspace-0.1.0.tar.xz"

STUDY = """
title = "Tiny"
reference = 1

[fixed]
fc_units = 16
batch_size = 16
learning_rate = 1e-3
weights = "random"

[factorial]
dropout = [0.0, 0.5]
epochs = [1, 3]
"""


TIERS = ("unit", "process", "services", "slow", "benchmark")  # a test that names none is of the second
STARTS = ("subprocess.Popen", "os.fork", "os.posix_spawn")  # what Python audits where a process is started


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that name no tier and those of tests/faults, and put files of unit tests alone last.

    A file runs on one of the two workers. Short ones at the end keep both at work until then.
    """
    for item in items:
        if not any(item.get_closest_marker(tier) for tier in TIERS):
            item.add_marker(pytest.mark.process)
        if item.path.parent.name == "faults":
            item.add_marker(pytest.mark.faults)
    longer = {item.path for item in items if not item.get_closest_marker("unit")}
    items.sort(key=lambda item: item.path not in longer)


_FROZEN = {"modules": 0}


def pytest_runtest_setup() -> None:
    """Keep the objects of loaded libraries out of garbage collection.

    statsmodels asks for a full collection in each correction of p values, four times a table; with TensorFlow loaded,
    that would be most of the time that a small table takes.
    """
    if len(sys.modules) > _FROZEN["modules"] + 100:
        gc.collect()
        gc.freeze()
        _FROZEN["modules"] = len(sys.modules)


class _Starts:
    """The processes that the present test has started."""

    def __init__(self) -> None:
        self.found: list[str] = []
        sys.addaudithook(self._heard)

    def _heard(self, event: str, arguments: tuple[object, ...]) -> None:
        if event in STARTS:
            self.found.append(f"{event} {arguments[:1]}"[:200])


_STARTS = _Starts()


class _Tables:
    """MLflow's tables in a new SQLite file: its migrations take seconds, so that later files copy what they made."""

    def __init__(self, make: Callable[[Any], None]) -> None:
        self._make, self._content = make, b""

    def __call__(self, engine: Any) -> None:
        if engine.dialect.name != "sqlite" or not self._content:
            self._make(engine)
        if engine.dialect.name != "sqlite":
            return
        with contextlib.closing(sqlite3.connect(engine.url.database)) as file:
            if not self._content:
                self._content = file.serialize()
                return
            with contextlib.closing(sqlite3.connect(":memory:")) as made:
                made.deserialize(self._content)
                made.backup(file)


@pytest.fixture(autouse=True)
def tables() -> None:
    """MLflow's migrations run once in a process, where a test has loaded MLflow."""
    for name in ("mlflow.store.db.utils", "mlflow.store.model_registry.sqlalchemy_store"):
        module = sys.modules.get(name)
        if module and not isinstance(module._initialize_tables, _Tables):
            module._initialize_tables = _Tables(module._initialize_tables)


@pytest.fixture(autouse=True)
def tier(request: pytest.FixtureRequest) -> Iterator[None]:
    """A unit test starts no process: the inner loop stays quick."""
    _STARTS.found.clear()
    yield
    if request.node.get_closest_marker("unit") and _STARTS.found:
        pytest.fail(f"a unit test started a process, and is to be marked so: {_STARTS.found[0]}")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder with real faces and real weights."""
    if not SHARED.is_dir():
        pytest.skip(f"no real faces: {SHARED} is missing")
    return SHARED


def write_npz(path: Path, train: int = 60, test: int = 24, classes: int = 3, **more: object) -> Path:
    """Noise images, each class with a brightness of its own: learnable, and drawn in no time."""
    rng = np.random.default_rng(0)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        y = np.arange(n) % classes
        x = rng.normal(60 + 60 * y[:, None, None], 20, (n, 40, 40)).clip(0, 255).astype(np.uint8)
        return x, y

    x_train, y_train = draw(train)
    x_test, y_test = draw(test)
    names = [f"class{k}" for k in range(classes)]
    arrays = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test, "class_names": names}
    np.savez(path, **(arrays | more))
    return path


@pytest.fixture(scope="session")
def npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image set of three classes."""
    return write_npz(tmp_path_factory.mktemp("data") / "tiny.npz")


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    """Four rows, two trainings."""
    path = tmp_path / "tiny.toml"
    path.write_text(STUDY)
    return path


@pytest.fixture
def old_workspace(tmp_path: Path) -> Path:
    """Unpack the folder of a user of version 0.1.0, as tests/data/README.md describes it, at a path of its own."""
    place = tmp_path / "old"
    with tarfile.open(OLD) as packed:
        packed.extractall(place, filter="data")
    mlflow = contextlib.closing(sqlite3.connect(place / "runs" / "mlflow.db"))
    with mlflow as database, database:  # it holds absolute paths
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            database.execute(f"UPDATE {table} SET {column} = replace({column}, 'file:///data', ?)", [place.as_uri()])
    return place


def ablate(*arguments: object, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the real command in a process of its own."""
    command = [sys.executable, "-m", "ablation", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=os.environ | env)


def in_process(*arguments: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the same command in this process, which has loaded its libraries. A `run` or `evaluate` is given --inline."""
    printed, errors = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(errors),
        patch.dict(os.environ, env),
    ):
        code = cli.run([*map(str, arguments)])
    return subprocess.CompletedProcess(arguments, code, printed.getvalue(), errors.getvalue())


def terminal_output(reader: int) -> str:
    """Return all that is written to a pseudo-terminal until its last process has ended. `reader` is closed."""
    written = b""
    try:
        while chunk := os.read(reader, 1 << 16):
            written += chunk
    except OSError:  # Linux, where no process writes any more
        pass
    finally:
        os.close(reader)
    return written.decode()


def on_a_terminal(*command: object, columns: int = 100) -> str:
    """Return the output of a child on a pseudo-terminal."""
    ours, theirs = pty.openpty()
    env = os.environ | {"TERM": "xterm", "COLUMNS": str(columns), "LINES": "30"}
    child = subprocess.Popen([*map(str, command)], stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    written = terminal_output(ours)
    assert child.wait() == 0, written
    return written


def until(condition: Callable[[], object], seconds: float = 120) -> None:
    """Wait for something that must come; a test that waits in vain fails."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


class Silent(Plain):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__(None)  # type: ignore[arg-type]
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def options(study: Path, data: Path, workspace: Path, **more: object) -> RunOptions:
    arguments = {"grid": read_study(str(study)), "data": str(data), "workspace": workspace, "name": study.stem}
    return RunOptions(**(arguments | {"inline": True} | more))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def swept(tmp_path_factory: pytest.TempPathFactory, npz: Path) -> Path:
    """A folder with `tiny.toml` and `runs`, in which that study was really run and kept all of its heads.

    Made once and only read: tests that write take a copy (`copied_sweep`).
    """

    place = tmp_path_factory.mktemp("swept")
    (place / "tiny.toml").write_text(STUDY)
    run_study(options(place / "tiny.toml", npz, place / "runs", keep="all"), Silent())
    return place


def copied_sweep(swept: Path, place: Path) -> Path:
    """A copy of `swept`, to write in. MLflow's database holds absolute paths, and is left out."""
    return shutil.copytree(swept, place, dirs_exist_ok=True, symlinks=True, ignore=shutil.ignore_patterns("mlflow.db"))


def rows(folder: Path) -> list[dict[str, str]]:
    with open(folder / "table.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium; closed after each file, for its event loop is in the way of others."""
    if not CHROMIUM.exists():
        pytest.skip(f"no browser: {CHROMIUM} is missing")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
        yield chromium
        chromium.close()
