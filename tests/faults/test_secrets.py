"""Secrets stay in the environment: in no file of a workspace, no output, no table, no tracker, no list of processes."""

import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from conftest import in_process
from fault_series import Series

from ablation.workflows import run_study

TOKEN = "tok-7f3a91c2e8d45b60"
FUNCTION = """
import os, time

def train(a: int = 1, key: str = "", seed: int = 0):
    assert key == os.environ["SERVICE_KEY"]
    time.sleep(0.3)
    if a == 9:
        raise RuntimeError("the service does not answer")
    if a == 8:
        os.kill(os.getpid(), 9)
    if a == 7:
        return {"val_score": float("nan")}
    return {"val_score": a / 10, "test_score": a / 10}
"""
STUDY = """
select_on = "val_score"
seeds = [0, 1]
[experiment]
function = "train.py:train"
[experiment.settings]
key = "$SERVICE_KEY"
[measures]
score = { best = "high" }
[one_at_a_time]
a = [2, 7, 8, 9]
"""
PROGRAM = """
import json, os, sys
folder, a = sys.argv[1:]
assert os.environ["SERVICE_KEY"]
if a == "9":
    sys.exit("the service does not answer")
json.dump({"val_score": float(a) / 10}, open(folder + "/m.json", "w"))
"""
OF_COMMAND = """
select_on = "val_score"
[experiment]
command = "python train.py {folder} {a}"
[experiment.factors]
a = { default = 1 }
[experiment.results]
file = "{folder}/m.json"
[measures]
score = { best = "high" }
[one_at_a_time]
a = [2, 9]
"""
KINDS = {"function": (FUNCTION, STUDY), "command": (PROGRAM, OF_COMMAND)}


def holding(folder: Path, secret: str = TOKEN) -> list[str]:
    """Return the files below a folder that have the secret: as bytes, in hexadecimal, and in compressed parts."""
    forms = [secret.encode(), secret.encode().hex().encode(), secret.encode("utf-16-le")]
    return [str(path) for path in folder.rglob("*") if path.is_file() and any(_has(path, form) for form in forms)]


def _has(path: Path, form: bytes) -> bool:
    content = path.read_bytes()
    inflated = b""
    with contextlib.suppress(zlib.error):
        inflated = zlib.decompress(content, 31)
    return form in content or form in inflated


class Watched:
    """Arguments of all processes that ran for a while."""

    def __init__(self) -> None:
        self.lines: set[str] = set()
        self._stop = threading.Event()

    def _look(self) -> None:
        while not self._stop.wait(0.03):
            for process in psutil.process_iter():
                with contextlib.suppress(psutil.Error):
                    self.lines.add("\0".join(process.cmdline()))

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        thread = threading.Thread(target=self._look)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()


@pytest.mark.parametrize("kind", KINDS)
def test_a_variable_of_the_environment_stays_there(tmp_path: Path, kind: str):
    """Trainings that end well, fail, diverge and are killed, on workers: what the user's program does not print is
    nowhere."""
    program, study = KINDS[kind]
    (tmp_path / "train.py").write_text(program)
    (tmp_path / "s.toml").write_text(study)
    env = os.environ | {"SERVICE_KEY": TOKEN, "MLFLOW_TRACKING_PASSWORD": TOKEN, "PGPASSWORD": TOKEN}
    ablate, watched = [sys.executable, "-m", "ablation"], Watched()
    with watched.watching():
        done = subprocess.run(
            [*ablate, "run", "s.toml", "--slots", "cpu:1"], cwd=tmp_path, env=env, capture_output=True, text=True
        )
    assert done.returncode == 1, done.stderr
    assert len(watched.lines) > 3
    assert not [line for line in watched.lines if TOKEN in line]
    assert TOKEN not in done.stdout + done.stderr
    for command in ("status", "report s", "table s --output out", "doctor", "table s --examples e.csv"):
        again = in_process(*command.split(), cwd=tmp_path, SERVICE_KEY=TOKEN)
        assert TOKEN not in again.stdout + again.stderr
    assert len(list((tmp_path / "runs").rglob("*"))) > 30
    assert holding(tmp_path) == []
    with contextlib.closing(sqlite3.connect(tmp_path / "runs/mlflow.db")) as database:
        params = dict(database.execute("SELECT key, value FROM params").fetchall())
    assert TOKEN not in str(params)
    Series(f"secrets in the environment: {kind}", 3).record()


def test_a_missing_variable_is_named_and_no_other_is_shown(tmp_path: Path):
    """The message has the name of the variable alone."""
    (tmp_path / "train.py").write_text(FUNCTION)
    (tmp_path / "s.toml").write_text(STUDY)
    done = in_process("run", "s.toml", "--inline", "--trackers", "none", cwd=tmp_path, OTHER_KEY=TOKEN, SERVICE_KEY="")
    assert done.returncode in (1, 2)
    assert "SERVICE_KEY" in done.stderr
    assert TOKEN not in done.stdout + done.stderr
    assert holding(tmp_path) == []


def test_a_literal_in_a_setting_with_the_name_of_a_secret_is_refused(tmp_path: Path):
    """Settings are recorded: a key would be in files of the workspace; a variable is not."""
    (tmp_path / "train.py").write_text(FUNCTION.replace("key: str", "api_key: str").replace("key ==", "api_key =="))
    (tmp_path / "s.toml").write_text(STUDY.replace('key = "$SERVICE_KEY"', f'api_key = "{TOKEN}"'))
    done = in_process("run", "s.toml", "--inline", "--trackers", "none", cwd=tmp_path, SERVICE_KEY=TOKEN)
    assert done.returncode == 2
    assert "s.toml: experiment.settings.api_key: looks like a secret" in done.stderr
    assert 'write "$API_KEY", and set that variable' in done.stderr
    assert TOKEN not in done.stdout + done.stderr
    assert not (tmp_path / "runs").exists()


def test_passwords_of_databases_are_in_no_list_of_processes(tmp_path: Path):
    """`ablation.run` gives its options to its child by a pipe: all users of a machine see arguments."""
    (tmp_path / "train.py").write_text(FUNCTION)
    (tmp_path / "s.toml").write_text(STUDY)
    script = (
        "import ablation, sys\nfrom ablation.errors import AblateError\n"
        f"url = 'postgresql://me:{TOKEN}@127.0.0.1:1/optuna'\n"
        "try: ablation.run('s.toml', storage=url, slots='cpu:1')\n"
        "except AblateError as error: print(error, file=sys.stderr)\n"
    )
    (tmp_path / "script.py").write_text(script)
    watched = Watched()
    env = os.environ | {"SERVICE_KEY": "x"}
    with watched.watching():
        done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, env=env, capture_output=True, text=True)
    (tmp_path / "script.py").unlink()
    assert "Optuna's database cannot be opened" in done.stderr
    assert any("watched_command" in line for line in watched.lines)
    assert not [line for line in watched.lines if TOKEN in line]
    assert TOKEN not in done.stdout + done.stderr
    assert holding(tmp_path) == []


def test_the_file_of_a_bug_has_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Users attach it to a report: neither the command line nor the traceback has the password of a URL."""

    def bug(*arguments: object, **options: object) -> None:
        raise RuntimeError(f"cannot connect to postgresql://me:{TOKEN}@db/optuna")

    monkeypatch.setattr(run_study, "run_study", bug)
    (tmp_path / "train.py").write_text(PROGRAM)
    (tmp_path / "s.toml").write_text(OF_COMMAND)
    url = f"postgresql://me:{TOKEN}@db/optuna"
    done = in_process("run", "s.toml", "--inline", "--storage", url, cwd=tmp_path, SERVICE_KEY=TOKEN)
    assert done.returncode == 3
    text = (tmp_path / "runs/log/crash.log").read_text()
    assert "postgresql://me:***@db/optuna" in text
    assert TOKEN not in text + done.stdout + done.stderr
