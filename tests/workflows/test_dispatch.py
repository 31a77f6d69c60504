"""What is tried again, what is not, and what it costs others: real Dask workers, and a trainer under control."""

from pathlib import Path

import pytest
import trainer
from conftest import STUDY, TESTS, Silent, options, rows

from ablation.engine import attempts
from ablation.store import record
from ablation.store.workspace import Workspace
from ablation.workflows.run_study import run_study


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace for the experiment of `trainer`, on workers that know their slot."""
    monkeypatch.setenv("PYTHONPATH", str(TESTS))  # where the workers find it
    (tmp_path / "runs").mkdir()
    (tmp_path / "tiny.toml").write_text(STUDY + trainer.PLUGIN)
    return tmp_path


def run(place: Path, npz: Path, how: str, watch: Silent, **more: object) -> list[str]:
    """Run the study, and return the outcome of each row."""
    (place / "runs/how").write_text(how)
    chosen = options(place / "tiny.toml", npz, place / "runs", inline=False, slots="cpu:2", **more)
    return [line["outcome"] for line in rows(run_study(chosen, watch).folder)]


def tries(place: Path) -> dict[float, int]:
    """Dropout -> how often its training was begun."""
    workspace = Workspace(place / "runs")
    study = record.read(workspace.study("tiny"))
    assert study
    first = {t.condition.dropout: workspace.training(study.training_key(t)) for t in study.grid.trials()}
    return {dropout: len(attempts.read(folder)) for dropout, folder in first.items()}


def test_a_job_that_always_kills_its_worker(place: Path, npz: Path):
    """A job that kills its worker is tried three times and costs no other job anything; the next run tries it again."""
    watch = Silent()
    assert run(place, npz, "kill", watch) == ["done", "done", "killed", "killed"]
    assert tries(place) == {0.0: 1, 0.5: attempts.TRIES}
    assert "its worker was killed" in (place / "runs/tiny/trials.csv").read_text()
    assert run(place, npz, "", Silent()) == ["done"] * 4
    assert tries(place) == {0.0: 1, 0.5: attempts.TRIES + 1}


def test_a_job_that_hangs_is_timed_out(place: Path, npz: Path):
    """A job is killed after --timeout and tried again, three times in all."""
    assert run(place, npz, "hang", Silent(), timeout=3.0) == ["done", "done", "timed out", "timed out"]
    assert tries(place) == {0.0: 1, 0.5: attempts.TRIES}
    assert "not done after 3.0 s" in (place / "runs/tiny/trials.csv").read_text()


def test_a_job_that_runs_out_of_memory_has_one_more_try_alone(place: Path, npz: Path):
    """Alone on its device it may end; where it does not, that is its outcome."""
    watch = Silent()
    assert run(place, npz, "memory unless alone", watch) == ["done"] * 4
    assert tries(place) == {0.0: 1, 0.5: 2}
    assert any("out of memory; will be retried alone on its device" in line for line in watch.lines)


def test_a_job_that_never_has_enough_memory_is_given_up(place: Path, npz: Path):
    """Two tries, and no other batch size."""
    assert run(place, npz, "memory", Silent()) == ["done", "done", "out of memory", "out of memory"]
    assert tries(place) == {0.0: 1, 0.5: 2}


def test_what_diverged_is_left_alone(place: Path, npz: Path):
    """A diverged row, which would diverge again bit for bit, is not trained; --retry diverged trains it."""
    assert run(place, npz, "diverge", Silent()) == ["done", "done", "diverged", "diverged"]
    assert run(place, npz, "diverge", Silent()) == ["done", "done", "diverged", "diverged"]
    assert tries(place) == {0.0: 1, 0.5: 1}
    assert run(place, npz, "", Silent(), retry=["diverged"]) == ["done"] * 4
