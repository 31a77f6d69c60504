"""A workspace with one broken file: each command works, or ends in one line; none of them is a bug of ablate."""

import random
import shutil
from pathlib import Path

import pytest
from command_study import STUDY
from conftest import in_process
from fault_series import WHOLE, Series
from hostile_files import mutated
from test_hostile_paths import TRAIN

N = 300 if WHOLE else 1  # changes of each file
COMMANDS = ["status", "table s", "verify runs/s/table.csv"]
LONGER = ["plan s.toml", "run s.toml --inline --trackers none", "clean --yes"]
SUFFIXES = (".json", ".jsonl", ".npz")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study of a command that was run."""
    place = tmp_path_factory.mktemp("finished")
    (place / "s.toml").write_text(STUDY)
    (place / "train.py").write_text(TRAIN)
    assert in_process("run", "s.toml", "--inline", "--trackers", "none", cwd=place).returncode == 0
    return place


def one_of_each(workspace: Path) -> list[Path]:
    """Return the first file of each name, numbers left out, but results: their fields are not checked by type."""
    paths = sorted(path for path in workspace.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    names = {path.name.translate(str.maketrans("", "", "0123456789")): path for path in reversed(paths)}
    return [path for path in names.values() if not ({"tables", "figures"} & set(path.parts) or path.match("result-*"))]


def test_a_broken_file_of_a_workspace_is_no_bug(finished: Path, tmp_path: Path):
    """Other values, other types, missing keys, and other bytes; exit 3 is never the answer."""
    draw, n = random.Random(0), 0
    paths = one_of_each(finished / "runs")
    for path in paths if WHOLE else draw.sample(paths, 6):
        for _ in range(N):
            here = tmp_path / "here"
            shutil.copytree(finished, here)
            (here / path.relative_to(finished)).write_bytes(mutated(path, draw))
            for command in [*COMMANDS, *(LONGER if WHOLE else LONGER[n % 3 :][:1])]:
                done = in_process(*command.split(), cwd=here)
                assert done.returncode in (0, 1, 2), (path.name, command, (here / "runs/log/crash.log").read_text())
                assert "Traceback" not in done.stderr
            shutil.rmtree(here)
            n += 1
    Series("broken files of a workspace", n).record()
