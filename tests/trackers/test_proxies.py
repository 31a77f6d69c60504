"""This machine is reached directly, whatever proxies the environment names."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from conftest import ablate
from synthetic import published, sealed, study

from ablation.store.workspace import Workspace
from ablation.study import study_file
from ablation.urls import LOOPBACK, PROXIES, reach_loopback_directly
from ablation.workflows import sync

ODD = "a?b#c%d%3F e'f\"g+h\u00fc&i=j"  # a workspace of any name, too: its server is started and asked here
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture(scope="module")
def proxies() -> Iterator[dict[str, str]]:
    """Yield the variables of an environment whose proxy takes every connection and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=500) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        yield dict.fromkeys(PROXIES, address) | {"no_proxy": "example.org", "NO_PROXY": "example.org"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a study that was sent to MLflow."""
    place, grid = tmp_path_factory.mktemp("proxies") / ODD, study_file.read("paper")
    sealed(place, study(place, grid, published(grid), support=(20, 30), classes=("a", "b")))
    assert sync.sync(Workspace(place), "paper", None).waiting == 0
    return place


@pytest.fixture(scope="module")
def base(place: Path, proxies: dict[str, str]) -> Iterator[str]:
    """Start `ablate ui` behind that proxy, and yield its address, once its links are printed."""
    command = [sys.executable, "-m", "ablation", "ui", "--no-open", "--workspace", str(place)]
    ui = subprocess.Popen(
        command, env=os.environ | proxies, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=place.parent
    )
    try:
        address = urlsplit(ui.stdout.readline().partition(": ")[2])
        assert address.netloc, ui.stderr.read()
        yield f"http://{address.netloc}"
    finally:
        ui.send_signal(signal.SIGTERM)
        ui.communicate()


def asked(base: str, path: str, **content: object) -> bytes:
    data = json.dumps(content).encode() if content else None
    request = urllib.request.Request(f"{base}/{path}", data, {"Content-Type": "application/json"})
    with DIRECT.open(request, timeout=60) as answer:
        return bytes(answer.read())


def test_the_server_of_a_workspace_of_any_name_is_found(base: str, place: Path):
    """`ablate ui` says its links though the proxy never answers; runs and files of the workspace are there."""
    runs = json.loads(
        asked(base, "api/2.0/mlflow/runs/search", experiment_ids=["1"], filter="tags.`ablate.trial` = ''")
    )
    (parent,) = runs["runs"]
    table = asked(base, f"get-artifact?path=table.csv&run_uuid={parent['info']['run_id']}")
    assert table == next(Workspace(place).artifacts.rglob("table.csv")).read_bytes()
    assert [p.name for p in place.parent.iterdir()] == [ODD]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_server_on_this_machine_is_sent_to_directly(base: str, place: Path, proxies: dict[str, str], host: str):
    """--tracking http://localhost:...: the proxy is not asked, neither by us nor by MLflow's own client."""
    uri = base.replace("127.0.0.1", host)
    done = ablate("sync", "--workspace", place, "--tracking", uri, **proxies)
    assert (done.returncode, done.stdout) == (0, "paper: Optuna and MLflow are up to date\n"), done.stderr


def test_what_the_environment_excepts_stays_so(monkeypatch: pytest.MonkeyPatch):
    """Other exceptions are kept, in both spellings; without a proxy nothing is set."""
    for name in (*PROXIES, "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    reach_loopback_directly()
    assert "no_proxy" not in os.environ
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "example.org, 10.0.0.0/8")
    for _ in range(2):
        reach_loopback_directly()
        assert os.environ["no_proxy"] == os.environ["NO_PROXY"] == ",".join(["example.org", "10.0.0.0/8", *LOOPBACK])
    monkeypatch.setenv("no_proxy", "*")
    reach_loopback_directly()
    assert urllib.request.proxy_bypass("example.org")
    assert urllib.request.proxy_bypass("127.0.0.1")
    monkeypatch.delenv("no_proxy")
    monkeypatch.delenv("NO_PROXY")
