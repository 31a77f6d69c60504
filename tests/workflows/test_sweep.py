"""The whole way: images in, table out, with a real study, a real MLflow store and real Dask workers."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import psutil
import pytest
import synthetic
from conftest import STUDY, Silent, ablate, copied_sweep, in_process, options, rows, until
from mlflow import MlflowClient

from ablation.analysis import selection
from ablation.engine import pool
from ablation.engine.plan import trainings
from ablation.errors import AblateError
from ablation.experiments.keras_head.inputs import Weights
from ablation.experiments.keras_head.training import fit
from ablation.outcomes import JobOutcome, Status
from ablation.report.tables import markdown_csv
from ablation.signals import Interrupts
from ablation.store import result
from ablation.store.record import Record, refuse_other
from ablation.store.workspace import StudyFolder, Workspace
from ablation.study.study_file import read as read_study
from ablation.trackers.databases import sqlite_url
from ablation.workflows import prepare, sweep
from ablation.workflows.checked_options import checked
from ablation.workflows.run_study import run_study
from ablation.workflows.warm_pool import WarmPool

ROWS = 4


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, npz: Path) -> tuple[Path, str]:
    """A workspace in which the command ran a study on Dask workers, and what it said."""
    place = tmp_path_factory.mktemp("ran")
    (place / "tiny.toml").write_text(STUDY)
    done = ablate("run", "--grid", "tiny.toml", "--data", npz, "--slots", "cpu:2", cwd=place)
    assert done.returncode == 0, done.stderr
    return place, done.stdout + done.stderr


def children(workspace: Path) -> tuple[MlflowClient, list, list]:
    """MLflow's runs of a workspace: parents, and trials."""
    client = MlflowClient(sqlite_url(workspace / "mlflow.db"))
    experiment = client.get_experiment_by_name("ablate")
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    parents = [r for r in runs if "mlflow.parentRunId" not in r.data.tags]
    return client, parents, [r for r in runs if r not in parents]


def study(workspace: Path, name: str = "tiny") -> optuna.Study:
    return optuna.load_study(study_name=name, storage=sqlite_url(workspace / "optuna.db"))


def test_every_row_is_in_the_table_in_order(ran: tuple[Path, str]):
    """A line a row, in the study's order, each done, one selected, with scores of all splits."""
    lines = rows(ran[0] / "runs" / "tiny")
    assert [line["row"] for line in lines] == ["1", "2", "3", "4"]
    assert [(line["dropout"], line["epochs"]) for line in lines] == [
        ("0.0", "1"),
        ("0.0", "3"),
        ("0.5", "1"),
        ("0.5", "3"),
    ]
    assert {line["outcome"] for line in lines} == {"done"}
    assert [line["selected"] for line in lines].count("True") == 1
    assert all(0 <= float(line[f"{s}_accuracy"]) <= 1 for line in lines for s in ("train", "val", "test"))
    assert {(line["n_train"], line["n_val"], line["n_test"]) for line in lines} == {("54", "6", "24")}


def test_optuna_holds_one_complete_trial_a_row(ran: tuple[Path, str]):
    """Every row is a COMPLETE trial with its parameters, its validation score and a value an epoch."""
    trials = study(ran[0] / "runs").get_trials()
    assert [t.state for t in trials] == [optuna.trial.TrialState.COMPLETE] * ROWS
    assert {(t.params["dropout"], t.params["epochs"]) for t in trials} == {(d, e) for d in (0, 0.5) for e in (1, 3)}
    assert all(len(t.intermediate_values) == t.params["epochs"] for t in trials)
    scores = {line["trials"]: float(line["val_accuracy"]) for line in rows(ran[0] / "runs" / "tiny")}
    assert {t.user_attrs["ablate.trial"]: t.value for t in trials} == pytest.approx(scores)


def test_mlflow_holds_a_parent_and_a_child_a_trial(ran: tuple[Path, str]):
    """One finished parent; finished children with the same parameter keys, curves, final scores, confusion matrix."""
    client, parents, trials = children(ran[0] / "runs")
    assert [p.info.status for p in parents] == ["FINISHED"]
    assert [t.info.status for t in trials] == ["FINISHED"] * ROWS
    assert len({tuple(sorted(t.data.params)) for t in trials}) == 1
    assert sorted(t.info.run_name for t in trials) == ["dropout 0.5", "dropout 0.5, epochs 3", "epochs 3", "reference"]
    long = next(t for t in trials if t.info.run_name == "epochs 3")
    assert [m.step for m in client.get_metric_history(long.info.run_id, "val_accuracy")] == [1, 2, 3]
    line = next(r for r in rows(ran[0] / "runs" / "tiny") if r["trials"] == long.data.tags["ablate.trial"])
    for split in ("train", "val", "test"):
        assert long.data.metrics[f"final/{split}_accuracy"] == pytest.approx(float(line[f"{split}_accuracy"]))
    assert [f.path for f in client.list_artifacts(long.info.run_id)] == ["confusion_matrix_test.html"]
    files = {f.path for f in client.list_artifacts(parents[0].info.run_id)}
    drawn = {"table.csv", "table.md", "table.tex", "contrasts.csv", "macros.tex", "warnings.json", "tables"}
    assert files == drawn | {"report.html", "confusion_matrix_test.html"}


def test_a_second_run_trains_nothing(ran: tuple[Path, str]):
    """A second run trains nothing and says so, table and views stay as they were; no worker starts."""
    place, _ = ran
    logs = list((place / "runs" / "log").glob("worker-*.log"))
    for log in logs:
        log.unlink()
    before = {p: p.read_bytes() for p in (place / "runs" / "tiny").glob("table.*")}
    points = [len(r.data.metrics) for r in children(place / "runs")[2]]
    data = json.loads((place / "runs" / "tiny" / "study.json").read_text())["data"]
    done = ablate("run", "--grid", "tiny.toml", "--data", data, cwd=place)
    assert (done.returncode, "nothing to train" in done.stdout) == (0, True)
    assert logs
    assert not any(log.exists() for log in logs)
    assert before == {p: p.read_bytes() for p in before}
    assert len(study(place / "runs").get_trials()) == ROWS
    assert set(study(place / "runs").user_attrs) == {"ablate.images", "ablate.metric", "test/seed 0, rows 1-100"}
    assert [len(r.data.metrics) for r in children(place / "runs")[2]] == points


def test_the_same_results_give_the_same_bytes(ran: tuple[Path, str], npz: Path, tmp_path: Path):
    """table.csv holds nothing of when, where or how: trained inline elsewhere, it is the same file."""
    shutil.copy(ran[0] / "tiny.toml", tmp_path)
    env = {"TF_NUM_INTRAOP_THREADS": "1"}
    done = ablate(
        "run", "--grid", tmp_path / "tiny.toml", "--data", npz, "--inline", "--slots", "cpu:2", cwd=tmp_path, **env
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs/tiny/table.csv").read_bytes() == (ran[0] / "runs/tiny/table.csv").read_bytes()


def test_the_table_is_drawn_again_from_files_alone(ran: tuple[Path, str], tmp_path: Path):
    """`ablate table` needs no images and no databases, and loads no backend."""
    shutil.copytree(ran[0] / "runs", tmp_path / "runs")
    for gone in ("mlflow.db", "optuna.db", "tiny/table.csv", "tiny/table.tex", "tiny/table.md", "cache/features"):
        path = tmp_path / "runs" / gone
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    done = ablate("table", "--grid", "tiny", cwd=tmp_path, KERAS_BACKEND="no-such-backend")
    assert done.returncode == 0, done.stderr
    assert "★" in done.stdout
    for name in ("table.csv", "table.tex", "table.md"):
        assert (tmp_path / "runs/tiny" / name).read_bytes() == (ran[0] / "runs/tiny" / name).read_bytes()


def test_lost_databases_are_rebuilt_from_files(ran: tuple[Path, str], tmp_path: Path):
    """Files are the truth: without its databases a workspace trains nothing and both views are complete again."""
    shutil.copytree(ran[0] / "runs", tmp_path / "runs")
    (tmp_path / "runs/mlflow.db").unlink()
    (tmp_path / "runs/optuna.db").unlink()
    data = json.loads((tmp_path / "runs/tiny/study.json").read_text())["data"]
    outcome = run_study(options(ran[0] / "tiny.toml", Path(data), tmp_path / "runs"), Silent())
    assert outcome.trained == 0
    assert [len(t.intermediate_values) for t in study(tmp_path / "runs").get_trials()] == [1, 3, 1, 3]
    client, parents, trials = children(tmp_path / "runs")
    assert [r.info.status for r in (*parents, *trials)] == ["FINISHED"] * (1 + ROWS)
    assert all("final/test_accuracy" in t.data.metrics for t in trials)
    assert {len(client.get_metric_history(t.info.run_id, "loss")) for t in trials} == {1, 3}


def test_test_predictions_are_sealed_until_selection(
    study_file: Path, npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """No test file is read, and no test metric is in Optuna or MLflow, before selection.json exists."""
    workspace = tmp_path / "runs"
    opened: list[tuple[str, bool]] = []
    read, seal = result.Predictions.read.__func__, selection.seal

    def spy(cls: type, path: Path, sha256: str) -> result.Predictions:
        opened.append((path.name, (workspace / "tiny/selection.json").exists()))
        return read(cls, path, sha256)

    def sealing(folder: StudyFolder, chosen: selection.Selection) -> selection.Selection:
        until(lambda: not folder.outbox.exists())  # all messages that were sent so far have arrived
        metrics = {m for r in children(workspace)[2] for m in r.data.metrics}
        assert "val_accuracy" in metrics
        assert not [m for m in metrics if "test" in m]
        assert not [a for a in study(workspace).user_attrs if "test" in a]
        assert not [k for t in study(workspace).get_trials() for k in (*t.user_attrs, *t.params) if "test" in k]
        return seal(folder, chosen)

    monkeypatch.setattr(result.Predictions, "read", classmethod(spy))
    monkeypatch.setattr(selection, "seal", sealing)
    run_study(options(study_file, npz, workspace), Silent())
    tests = [sealed for name, sealed in opened if name.startswith("test")]
    assert len(tests) == 2 * ROWS  # to be scored, and for MLflow's page, which it lacked
    assert all(tests)
    assert {name for name, _ in opened} == {f"{split}-{n}.npz" for split in ("val", "test") for n in (1, 3)}
    assert any("test" in a for a in study(workspace).user_attrs)


def test_selection_on_test_is_stamped(study_file: Path, npz: Path, tmp_path: Path):
    """A study file may ask, in two words, for the best row on test: that row is selected, and every table says so."""
    asked = 'select_on = "test_loss"\n' + study_file.read_text()
    study_file.write_text(asked)
    with pytest.raises(AblateError, match="select_on_test = true"):
        options(study_file, npz, tmp_path / "runs")
    study_file.write_text("select_on_test = true\n" + asked)
    outcome = run_study(options(study_file, npz, tmp_path / "runs"), Silent())
    lines = rows(outcome.folder)
    best = min(lines, key=lambda line: float(line["test_loss"]))
    assert [line["row"] for line in lines if line["selected"] == "True"] == [best["row"]]
    assert outcome.codes[0] == "SELECTED_ON_TEST"
    for name in ("table.tex", "table.md", "report.html"):
        assert "SELECTED ON TEST" in (outcome.folder / name).read_text()


def test_a_row_that_diverges_stays_in_the_table(npz: Path, tmp_path: Path):
    """A loss that is no number is a result: the row is marked, others are not harmed, the exit code is 1."""
    path = tmp_path / "wild.toml"
    path.write_text(
        '[fixed]\nfc_units = 16\nbatch_size = 16\nepochs = 2\nweights = "random"\noptimizer = "sgd"\n'
        "[[rows]]\nlearning_rate = 1e-3\n[[rows]]\nlearning_rate = 10.0\nfc_layers = 6\n"
    )
    done = in_process("run", "--grid", path, "--data", npz, "--inline", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    lines = rows(tmp_path / "runs/wild")
    assert [line["outcome"] for line in lines] == ["done", "diverged"]
    assert lines[1]["test_accuracy"] == ""
    assert "diverged" in (tmp_path / "runs/wild/table.tex").read_text()
    assert "row 2, seed 0: diverged: the loss is not finite after epoch" in done.stderr
    assert {t.state.name for t in study(tmp_path / "runs", "wild").get_trials()} == {"COMPLETE", "FAIL"}
    failed = next(r for r in children(tmp_path / "runs")[2] if r.info.status == "FAILED")
    assert failed.data.tags["ablate.outcome"] == "diverged"


def test_what_goes_wrong_in_a_training_is_data(
    study_file: Path, npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """An exception in one training marks its rows as failed, with the reason; the next run trains them."""
    real = fit.run

    def broken(one: fit.Fit, link: pool.Channel) -> Status:
        if one.training.condition.dropout:
            raise RuntimeError("the disk is on fire")
        return real(one, link)

    monkeypatch.setattr(fit, "run", broken)
    outcome = run_study(options(study_file, npz, tmp_path / "runs"), Silent())
    assert outcome.unfinished == tuple((n, 0, "failed", "RuntimeError: the disk is on fire") for n in (3, 4))
    assert [line["outcome"] for line in rows(outcome.folder)] == ["done", "done", "failed", "failed"]
    monkeypatch.setattr(fit, "run", real)
    again = run_study(options(study_file, npz, tmp_path / "runs"), Silent())
    assert (again.trained, again.unfinished) == (2, ())
    assert [r.info.status for r in children(tmp_path / "runs")[2]] == ["FINISHED"] * ROWS
    states = [t.state.name for t in study(tmp_path / "runs").get_trials()]
    assert (states.count("COMPLETE"), states.count("FAIL")) == (ROWS, 2)


def test_rows_and_seeds_may_grow(swept: Path, npz: Path, tmp_path: Path):
    """A study that grows trains only what is new; reordered, shrunk, or under another name it trains nothing."""
    place = copied_sweep(swept, tmp_path)
    workspace, study_file = place / "runs", place / "tiny.toml"
    for levels in ("[0.5, 0.0]", "[0.5]"):
        study_file.write_text(STUDY.replace("[0.0, 0.5]", levels))
        assert run_study(options(study_file, npz, workspace), Silent()).trained == 0
    study_file.write_text(STUDY.replace("[0.0, 0.5]", "[0.0, 0.25, 0.5]"))
    grown = run_study(options(study_file, npz, workspace), Silent())
    seeded = options(study_file, npz, workspace, grid=read_study(str(study_file), seeds=[0, 1]))
    more = run_study(seeded, Silent())
    assert (grown.trained, more.trained) == (2, 6)
    other = run_study(options(study_file, npz, workspace, name="other"), Silent())
    assert other.trained == 0
    spread = rows(more.folder)[0]["val_accuracy_sd"]
    assert float(spread) >= 0
    text = markdown_csv.markdown_table(more.table)
    assert "±" in text
    assert "Images: 54 train, 6 validation, 24 test." in text


def test_mlflow_that_cannot_be_reached_costs_nothing(study_file: Path, npz: Path, tmp_path: Path):
    """Training continues, messages not sent yet in the outbox, and the next run sends them."""
    watch = Silent()
    down = options(
        study_file, npz, tmp_path / "runs", tracking="http://127.0.0.1:9", storage=sqlite_url(tmp_path / "o.db")
    )
    outcome = run_study(down, watch)
    assert outcome.unfinished == ()
    assert any("messages not sent yet" in line for line in watch.lines)
    assert (outcome.folder / "outbox.jsonl").exists()
    run_study(options(study_file, npz, tmp_path / "runs"), Silent())
    assert not (outcome.folder / "outbox.jsonl").exists()
    client, _, trials = children(tmp_path / "runs")
    assert [t.info.status for t in trials] == ["FINISHED"] * ROWS
    assert {len(client.get_metric_history(t.info.run_id, "loss")) for t in trials} == {1, 3}


def test_an_extraction_that_was_asked_to_stop_is_not_begun_again(study_file: Path, npz: Path, tmp_path: Path):
    """Also where the signal came before its worker had answered, and took the job back."""
    chosen = options(study_file, npz, tmp_path / "runs")
    ready = prepare.prepare(checked(chosen, print), Silent())
    record = ready.record
    wanted = {f.key: f for t in trainings(record, record.grid.trials()) for f in t.artifacts().values()}
    handed = []

    class Taken:
        """A pool whose job is taken back as a signal comes."""

        def run(self, take, listener):
            while task := take():
                handed.append(task.key)
                yield task.key, JobOutcome(Status.KILLED)

    sweep.make(Workspace(chosen.workspace), Taken(), record, wanted, Silent(), asked=lambda: bool(handed))
    assert len(handed) == 1
    with pytest.raises(AblateError, match="could not be computed: killed"):
        sweep.make(Workspace(chosen.workspace), Taken(), record, wanted, Silent())


def test_a_split_may_come_and_must_not_change(study_file: Path, npz: Path, tmp_path: Path):
    """Rows of another split may be added to a study; those that it has keep their images."""

    def recorded(text: str) -> Record:
        study_file.write_text(STUDY.replace("[fixed]", "[fixed]\n" + text))
        return prepare.prepare(checked(options(study_file, npz, tmp_path / "runs"), print), Silent()).record

    drawn = recorded('split = "class"\n')
    refuse_other(drawn, recorded(""))
    with pytest.raises(AblateError, match=r"different images .*split_seed"):
        refuse_other(drawn, recorded('split = "class"\nsplit_seed = 1\n'))


def test_what_a_dead_run_left_is_closed(swept: Path, npz: Path, tmp_path: Path):
    """Runs that still stand as running in MLflow are closed, also those of rows that the study has no more."""
    place = copied_sweep(swept, tmp_path)
    workspace, study_file = place / "runs", place / "tiny.toml"
    outcome = run_study(options(study_file, npz, workspace), Silent())
    client, parents, trials = children(workspace)
    tags = {"ablate.study": "tiny", "ablate.trial": "gone", "mlflow.parentRunId": parents[0].info.run_id}
    left = client.create_run(trials[0].info.experiment_id, tags=tags).info.run_id
    run_study(options(study_file, npz, workspace), Silent())
    assert outcome.unfinished == ()
    assert client.get_run(left).info.status == "KILLED"
    assert [r.info.status for r in children(workspace)[1]] == ["FINISHED"]


def test_levels_that_are_the_same_thing_are_refused(npz: Path, tmp_path: Path):
    """The levels `given` and `class` of data without splits are one trial: refused before anything is trained."""
    bare = tmp_path / "bare.npz"
    with np.load(npz) as stored:
        np.savez(bare, x_train=stored["x_train"], y_train=stored["y_train"])
    path = tmp_path / "splits.toml"
    path.write_text('[fixed]\nweights = "random"\n[factorial]\nsplit = ["given", "class"]\n')
    with pytest.raises(Exception, match="rows 1 and 2 are the same trial"):
        run_study(options(path, bare, tmp_path / "runs"), Silent())
    assert not (tmp_path / "runs").exists()


def test_the_papers_rows_share_trainings(tmp_path: Path):
    """Rows that differ in epochs alone are one training: nine rows, six fits."""
    paper = read_study("paper")
    record = synthetic.of_images(
        name="p", grid=paper, data="d", images="i", classes=("a", "b"), counts=synthetic.FEW, splits={"given": "s"},
        weights={"vgg16/imagenet": Weights(level="imagenet", source="imagenet", digest="w")}, backend="tensorflow",
    )  # fmt: skip
    groups = trainings(record, paper.trials())
    assert sorted(t.milestones for t in groups) == [(10,), (10,), (10,), (10, 100), (10, 100), (10, 100)]
    assert {tuple(t.row for t in group) for group in groups.values()} == {(1,), (2, 5), (3, 6), (4,), (7,), (8, 9)}


def workers(pid: int | None = None) -> list[psutil.Process]:
    """Return the processes that Dask started for this one, or another."""
    return [child for child in psutil.Process(pid).children() if "spawn_main" in " ".join(child.cmdline())]


def test_workers_ahead_are_those_of_the_run(study_file: Path, npz: Path, tmp_path: Path):
    """Workers that were opened before anything was known train what is missing; they end when that is done."""
    chosen = options(study_file, npz, tmp_path / "runs", inline=False, slots="cpu:1")
    ready = checked(chosen, print)
    with WarmPool(ready, Silent()) as ahead:
        (worker,) = workers()
        summary = sweep.sweep(ready, ahead, Silent(), Interrupts(print))
        assert not worker.is_running()
    assert (summary.trained, summary.unfinished) == (ROWS, ())


def test_workers_ahead_of_bad_input_go(study_file: Path, npz: Path, tmp_path: Path):
    """Workers that were opened ahead of wrong images end with the run; no file is written."""
    chosen = options(study_file, npz, tmp_path / "runs", inline=False, slots="cpu:1", own={"classes": ["no such"]})
    ready = checked(chosen, print)
    with WarmPool(ready, Silent()) as ahead:
        (worker,) = workers()
        with pytest.raises(AblateError, match="no class 'no such'"):
            sweep.sweep(ready, ahead, Silent(), Interrupts(print))
    assert not worker.is_running()
    assert not (tmp_path / "runs").exists()


def test_a_signal_ends_workers_ahead(study_file: Path, npz: Path, tmp_path: Path):
    """SIGTERM while nothing but workers has begun: the command names the next command, and they end."""
    asked = ("--grid", study_file, "--data", npz, "--workspace", tmp_path / "runs")
    command = [sys.executable, "-m", "ablation", "run", *asked]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    until(lambda: workers(child.pid))
    ahead = workers(child.pid)
    child.terminate()
    assert "interrupted; resume with: ablate run" in child.communicate(timeout=60)[1]
    assert child.returncode == 130
    assert all(not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE for worker in ahead)


def test_nothing_is_opened_ahead_of_what_is_refused(study_file: Path, npz: Path, tmp_path: Path):
    """A name that is no name, and images that are not there: no worker starts."""
    chosen = options(study_file, tmp_path / "nowhere", tmp_path / "runs", inline=False)
    with WarmPool(checked(chosen, print), Silent()):
        assert workers() == []
    chosen = options(study_file, npz, tmp_path / "runs", inline=False)
    with pytest.raises(AblateError, match="is not allowed"):
        run_study(replace(chosen, name="log"), Silent())
    assert workers() == []


def test_a_workspace_in_use_is_refused(study_file: Path, npz: Path, tmp_path: Path):
    """Two orchestrators on one workspace: the second names the first."""
    with Workspace(tmp_path / "runs").lock():
        done = ablate("run", "--grid", study_file, "--data", npz, cwd=tmp_path)
    assert done.returncode == 2
    assert "in use by another ablate (host " in done.stderr
    assert not (tmp_path / "runs/tiny").exists()
