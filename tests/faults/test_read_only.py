"""A workspace that is read-only: commands that read work, and those that write say so in one line."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import in_process
from crash_workflows import command
from fault_series import WHOLE

COMMANDS = {"status": 0, "verify runs/tiny/table.csv": 0, "plan tiny.toml": 0, "table tiny.toml": 2,
            "report tiny.toml": 2, "run tiny.toml": 2, "sync": 2, "clean": 2}  # fmt: skip
FEW = ["status", "table tiny.toml", "run tiny.toml"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that is complete."""
    place = tmp_path_factory.mktemp("place")
    command(place)
    assert in_process("run", "tiny.toml", "--inline", "-q", "--trackers", "none", cwd=place).returncode == 0
    return place


@pytest.mark.skipif(not shutil.which("unshare"), reason="mounting takes unshare")
@pytest.mark.parametrize("words", COMMANDS if WHOLE else FEW)
def test_a_command_on_a_read_only_workspace(place: Path, words: str):
    """A command prints its answer alone, or one error with the path and its reason."""
    mount = 'mount --bind runs runs && mount -o remount,ro,bind runs && exec "$@"'
    line = ["unshare", "-m", "sh", "-c", mount, "-", sys.executable, "-m", "ablation", *words.split()]
    done = subprocess.run(line, cwd=place, capture_output=True, text=True)
    if "unshare" in done.stderr:
        pytest.skip("this user may not mount")
    assert done.returncode == COMMANDS[words], done.stderr
    assert "Traceback" not in done.stderr
    if done.returncode:
        assert re.match(r"error: .*runs\S*: .*[Rr]ead-only", done.stderr.splitlines()[-1]), done.stderr
