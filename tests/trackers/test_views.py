"""Optuna and MLflow: real stores, and what a process that died leaves in them."""

import json
import subprocess
import sys
from pathlib import Path
from socket import socket
from wsgiref.util import setup_testing_defaults

import optuna
import pytest
import synthetic
from conftest import until
from mlflow import MlflowClient
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState
from synthetic import published, study

from ablation.analysis.evidence import StudyEvidence
from ablation.analysis.selection import read, seal, select
from ablation.analysis.study_analysis import StudyAnalysis, collect
from ablation.analysis.study_analysis import done as done_of
from ablation.analysis.study_statistics import analyse
from ablation.errors import AblateError
from ablation.experiments.keras_head.inputs import Weights
from ablation.outcomes import Status
from ablation.report.build import Report
from ablation.store.record import Record
from ablation.store.result import Result
from ablation.store.workspace import StudyFolder, Workspace
from ablation.study import study_file
from ablation.trackers import mlflow_messages, mlflow_outbox, optuna_importances
from ablation.trackers import optuna_study as views_study
from ablation.trackers.databases import sqlite_url
from ablation.trackers.mlflow_messages import PARENT
from ablation.trackers.mlflow_outbox import Outbox
from ablation.trackers.mlflow_runs import MlflowRuns
from ablation.trackers.mlflow_sender import Sender, connect
from ablation.trackers.mlflow_tracker import Tracker
from ablation.trackers.optuna_study import OptunaStudy, create, distributions
from ablation.workflows.publish import for_trackers


def record(text: str, path: Path) -> Record:
    (path / "s.toml").write_text(text)
    return synthetic.of_images(
        name="s",
        grid=study_file.read(str(path / "s.toml")),
        data="d",
        images="i",
        classes=("a", "b"),
        counts={"given": {"train": (50, 50), "val": (5, 5), "test": (5, 5)}},
        splits={"given": "x"},
        weights={"vgg16/imagenet": Weights(level="imagenet", source="imagenet", digest="w")},
        backend="tensorflow",
    )


def done(value: float, parameters: int = 10, **more: object) -> Result:
    scores = {"val": {"accuracy": value, "loss": 1 - value}}
    return Result(Status.DONE, 1, scores=scores, predictions={"val": "v"}, parameters=parameters, **more)  # type: ignore[arg-type]


TWO = "[[rows]]\ndropout = 0.1\n[[rows]]\nfc_units = [8, 4]\n"


def test_a_process_that_died_leaves_nothing_running(tmp_path: Path):
    """RUNNING and WAITING trials of a dead process are failed at the next start, and each row is COMPLETE once."""
    study, url = record(TWO, tmp_path), sqlite_url(tmp_path / "o.db")
    first, second = study.grid.trials()
    died = OptunaStudy(url, study)
    died.begin(first, "one")
    died._study.enqueue_trial({"dropout": 0.1})
    again = OptunaStudy(url, study)
    assert {t.state for t in again._study.get_trials()} == {TrialState.FAIL}
    again.begin(first, "one")
    again.report("one", {"epoch": 1, "val_accuracy": 0.5})
    again.finish("one", done(0.5))
    again.agree([(first, "one", done(0.5)), (second, "two", done(0.7))])
    again.agree([(first, "one", done(0.5)), (second, "two", done(0.7))])
    complete = [t for t in again._study.get_trials() if t.state == TrialState.COMPLETE]
    assert [(t.user_attrs["ablate.trial"], t.value) for t in complete] == [("one", 0.5), ("two", 0.7)]
    assert complete[0].intermediate_values == {1: 0.5}


def test_a_trial_that_was_trained_again_has_its_new_value(tmp_path: Path):
    """Optuna changes no finished trial: the study is made anew, and each trial is COMPLETE once, with its last value.
    In a database that others share the new value is added."""
    recorded = record(TWO, tmp_path)
    first, second = recorded.grid.trials()
    for shared, values in ((False, [0.6, 0.7]), (True, [0.5, 0.6, 0.7])):
        url = sqlite_url(tmp_path / f"shared-{shared}.db")
        OptunaStudy(url, recorded, shared).agree([(first, "one", done(0.5)), (second, "two", done(0.7))])
        for _ in range(2):
            study = OptunaStudy(url, recorded, shared)
            study.agree([(first, "one", done(0.6)), (second, "two", done(0.7))])
        assert sorted(t.value for t in study._study.get_trials() if t.value is not None) == values


def test_lists_and_paths_are_attributes(tmp_path: Path):
    """Levels that Optuna's distributions cannot hold are a canonical text in a user attribute; the others are
    parameters."""
    recorded = record(TWO, tmp_path)
    study = OptunaStudy(sqlite_url(tmp_path / "o.db"), recorded)
    study.agree([(t, str(t.row), done(0.5)) for t in recorded.grid.trials()])
    one, two = study._study.get_trials()
    assert two.user_attrs["fc_units"] == "8+4"
    assert one.user_attrs["weights"] == "imagenet"
    assert one.params["fc_units"] == 4096
    assert set(one.params) == set(distributions(synthetic.SCHEMA))


def test_a_failed_attempt_stays(tmp_path: Path):
    """A failure is FAIL with its outcome; the study opens in Optuna's own tools."""
    recorded = record(TWO, tmp_path)
    study = OptunaStudy(sqlite_url(tmp_path / "o.db"), recorded)
    for trial in recorded.grid.trials():
        study.begin(trial, str(trial.row))
    study.finish("1", Result(Status.FAILED, 1, error="ValueError: no"))
    study.close()
    loaded = optuna.load_study(study_name="s", storage=sqlite_url(tmp_path / "o.db"))
    assert [t.user_attrs["outcome"] for t in loaded.get_trials()] == ["failed", "interrupted"]
    assert {t.state for t in loaded.get_trials()} == {TrialState.FAIL}


def test_the_study_minimises_a_loss(tmp_path: Path):
    """select_on = val_loss looks for the lowest value."""
    recorded = record('select_on = "val_loss"\n' + TWO, tmp_path)
    assert OptunaStudy(sqlite_url(tmp_path / "o.db"), recorded)._study.direction.name == "MINIMIZE"


def test_scores_on_the_test_set_stand_on_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Test scores are attributes of the study, those of a hundred rows in one, written where they changed."""
    levels = [i / 1000 for i in range(101)]
    recorded, url = (
        record(f"seeds = [0, 7]\n[factorial]\ndropout = {levels}\n", tmp_path),
        sqlite_url(tmp_path / "o.db"),
    )
    study = OptunaStudy(url, recorded)
    tested = [(t, f"{t.row}-{t.seed}", {"accuracy": t.row / 1000}) for t in recorded.grid.trials()]
    study.note_tests(tested)
    attributes = {k: v for k, v in study._study.user_attrs.items() if k.startswith("test/")}
    assert set(attributes) == {f"test/seed {s}, rows {rows}" for s in (0, 7) for rows in ("1-100", "101-200")}
    assert attributes["test/seed 7, rows 101-200"] == {"101-7": {"accuracy": 0.101}}
    written = []
    monkeypatch.setattr(study._study, "set_user_attr", lambda name, value: written.append(name))
    study.note_tests([*tested[:-1], (*tested[-1][:2], {"accuracy": 0.5})])
    assert written == ["test/seed 7, rows 101-200"]


@pytest.fixture(scope="module")
def nine(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the address of Optuna's database with the paper's nine rows."""
    place, grid = tmp_path_factory.mktemp("nine"), study_file.read("paper")
    recorded = study(place, grid, published(grid), support=(20, 30), classes=("a", "b"))
    url = create(place / "optuna.db")
    OptunaStudy(url, recorded).agree(
        (t, recorded.trial_key(t), r) for t, r in done_of(collect(Workspace(place), recorded)).items()
    )
    return url


def test_optunas_importances_and_plots_work(nine: str):
    """The former on the factors that vary; of the latter one has a curve a row, a point an epoch."""
    optuna_study, varying = optuna.load_study(study_name="paper", storage=nine), study_file.read("paper").varying
    weights = optuna.importance.get_param_importances(optuna_study, params=list(varying))
    assert set(weights) == set(varying)
    assert sum(weights.values()) == pytest.approx(1)
    curves = optuna.visualization.plot_intermediate_values(optuna_study).data
    assert sorted(len(curve.x) for curve in curves) == [10] * 6 + [100] * 3
    for name in ("optimization_history", "param_importances", "parallel_coordinate", "slice", "timeline", "edf"):
        assert getattr(optuna.visualization, f"plot_{name}")(optuna_study).data


def test_optunas_dashboard_opens_it(nine: str):
    """Optuna's own dashboard lists the study and its nine trials, with values and parameters."""
    dashboard = pytest.importorskip("optuna_dashboard")
    app, status = dashboard.wsgi(nine), []

    def get(path: str) -> bytes:
        request: dict[str, object] = {"PATH_INFO": path}
        setup_testing_defaults(request)
        return b"".join(app(request, lambda code, headers, error=None: status.append(code)))

    (summary,) = json.loads(get("/api/studies"))["study_summaries"]
    details = json.loads(get(f"/api/studies/{summary['study_id']}"))
    assert summary["study_name"] == details["name"] == "paper"
    assert [trial["state"] for trial in details["trials"]] == ["Complete"] * 9
    assert b"<title>Optuna Dashboard" in get("/dashboard/studies/1")
    assert status == ["200 OK"] * 3


def sender(tmp_path: Path) -> Sender:
    return Sender(sqlite_url(tmp_path / "m.db"), tmp_path / "artifacts", "s")


MESSAGES = [
    mlflow_messages.run(PARENT, "s", 1.0, {}, {}),
    mlflow_messages.run("t", "lr 1e-3", 1.0, {"epochs": "2"}, {"ablate.row": "1"}),
    mlflow_messages.metrics("t", 2.0, 1, {"loss": 0.5}),
    mlflow_messages.metrics("t", 3.0, 2, {"loss": 0.25}),
    mlflow_messages.text("t", "page.html", "<p>"),
    mlflow_messages.end("t", 4.0, "FINISHED", "digest"),
]


def test_sending_again_duplicates_nothing(tmp_path: Path):
    """Each message can be sent any number of times, by any process: one run, one point a step."""
    for _ in range(2):
        for fresh in (sender(tmp_path),):
            fresh.send(MESSAGES)
            fresh.send(MESSAGES)
    client = MlflowClient(sqlite_url(tmp_path / "m.db"))
    runs = client.search_runs([client.get_experiment_by_name("ablate").experiment_id])
    child = next(r for r in runs if r.data.tags["ablate.trial"] == "t")
    assert len(runs) == 2
    points = client.get_metric_history(child.info.run_id, "loss")
    assert [(p.step, p.value, p.timestamp) for p in points] == [(1, 0.5, 2000), (2, 0.25, 3000)]
    assert (child.info.status, child.info.run_name, child.data.params) == ("FINISHED", "lr 1e-3", {"epochs": "2"})
    assert sender(tmp_path).states["t"] == "digest"


def test_a_torn_line_waits(tmp_path: Path):
    """A line that was cut short by a crash is not read, and what comes before it is."""
    outbox = Outbox(tmp_path / "outbox.jsonl")
    outbox.put(MESSAGES[:2])
    with open(tmp_path / "outbox.jsonl", "a") as file:
        file.write('{"kind": "met')
    messages, end = outbox.read(0)
    assert messages == MESSAGES[:2]
    assert not outbox.clear(end)


def test_messages_of_a_crashed_process_survive_and_new_ones_follow(tmp_path: Path):
    """Messages that an earlier process could not send are sent by the next one, before its own; a torn end is cut
    off."""
    path = tmp_path / "outbox.jsonl"
    path.write_text("".join(json.dumps(m) + "\n" for m in MESSAGES[:3]) + '{"kind": "met')
    tracker = Tracker(path, lambda: sender(tmp_path))
    tracker.enqueue(*MESSAGES[3:])
    assert tracker.close() == 0
    assert not path.exists()
    client = MlflowClient(sqlite_url(tmp_path / "m.db"))
    run_id = sender(tmp_path).runs["t"]
    assert len(client.get_metric_history(run_id, "loss")) == 2


def test_an_outbox_is_read_a_part_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One part of an outbox is in memory at a time, a message longer than a part included; all of it is sent."""
    monkeypatch.setattr(mlflow_outbox, "PART", 10)
    path = tmp_path / "outbox.jsonl"
    outbox = Outbox(path)
    outbox.put([*MESSAGES[:4], mlflow_messages.text("t", "page.html", "x" * 1000), MESSAGES[-1]])
    first, end = outbox.read(0)
    assert (first, outbox.count(0), outbox.count(end)) == (MESSAGES[:1], 6, 5)
    assert outbox.states([], 0) == {"t": "digest"}
    tracker = Tracker(path, lambda: sender(tmp_path))
    assert tracker.close() == 0
    assert sender(tmp_path).states["t"] == "digest"


def test_what_waits_for_mlflow_counts_as_told(tmp_path: Path):
    """A message in the outbox, or sent since, is not sent again; without MLflow, no state is known."""
    tracker = Tracker(tmp_path / "outbox.jsonl", lambda: sender(tmp_path))
    tracker.enqueue(*MESSAGES)
    assert (tracker.states() or {})["t"] == "digest"
    tracker.close()
    assert tracker._sender.states["t"] == "digest"


def test_a_database_that_is_lost_is_told_what_it_can_be(tmp_path: Path):
    """Later messages of a run that only a lost database had are skipped, and that run does not count as sent."""
    path = tmp_path / "outbox.jsonl"
    Outbox(path).put(MESSAGES[2:])  # its first messages had been sent
    tracker = Tracker(path, lambda: sender(tmp_path))
    assert tracker.states() == {}
    tracker.enqueue(
        mlflow_messages.run("orphan", "x", 1.0, {}, {}), MESSAGES[0], mlflow_messages.run("u", "x", 1.0, {}, {})
    )
    tracker.enqueue(mlflow_messages.end("u", 2.0, "FINISHED", "new"))
    assert tracker.close() == 0
    assert not path.exists()
    assert sender(tmp_path).states == {PARENT: "", "u": "new"}


def test_a_database_that_is_lost_while_a_run_goes_on_is_told_all_at_its_end(tmp_path: Path):
    """A database that is lost during a run gets everything at its end, the study's own run too."""
    study = record("[factorial]\ndropout = [0.0, 0.1]\n", tmp_path)
    results = {trial: Result(Status.FAILED, 1, error="no") for trial in study.grid.trials()}
    none = StudyEvidence({}, {}, {}, None)
    findings = StudyAnalysis(study, results, None, none, analyse(study, none, {}, None), None, (), ())
    (tmp_path / "first").mkdir()
    places = iter([tmp_path / "first", tmp_path])
    tracker = Tracker(tmp_path / "outbox.jsonl", lambda: sender(next(places)))
    runs = MlflowRuns(study, tracker)
    until(lambda: not (tmp_path / "outbox.jsonl").exists())
    tracker._sender = None  # as after a message that failed: the next database knows nothing
    runs.agree(for_trackers(Report(findings, {}, (), (), {}, {"table.csv": "row", "report.html": ""})), None)
    assert runs.close() == 0
    assert set(sender(tmp_path).states) == {PARENT, *map(study.trial_key, study.grid.trials())}
    assert all(sender(tmp_path).states.values())


def test_a_workspace_with_any_name_is_found_again(tmp_path: Path):
    """MLflow keeps its folder as an address, in which spaces and other letters are written otherwise."""
    place = tmp_path / "my r\u00fcns"
    place.mkdir()
    for _ in range(2):
        assert sender(place).experiment


def test_a_disk_that_was_full_spoils_no_later_message(tmp_path: Path):
    """A message that did not fit (here: a file may not grow) leaves nothing behind."""
    code = (
        "import resource, signal, sys\nfrom pathlib import Path\n"
        "from ablation.trackers.mlflow_messages import text\nfrom ablation.trackers.mlflow_outbox import Outbox\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "outbox = Outbox(Path(sys.argv[1]))\noutbox.put([text('k', 'a', 'small')])\n"
        "try:\n    outbox.put([text('k', 'a', 'x' * 5000)])\nexcept OSError as error:\n    print(error)\n"
        "outbox.put([text('k', 'a', 'next')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "o"], capture_output=True, text=True)
    assert "File too large" in done.stdout, done.stderr
    assert [message["content"] for message in Outbox(tmp_path / "o").read(0)[0]] == ["small", "next"]


def test_a_database_of_a_workspace_that_was_moved_says_so(tmp_path: Path):
    """A moved workspace's database, whose files would go to the old place, is refused."""
    (tmp_path / "runs").mkdir()
    sender(tmp_path / "runs")
    (tmp_path / "runs").rename(tmp_path / "moved")
    with pytest.raises(FileNotFoundError, match=r"belongs to a workspace in .*/runs; delete it"):
        sender(tmp_path / "moved")


def test_a_database_that_goes_away_at_the_end_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A database that goes away gets the missing values once it is back."""
    monkeypatch.setattr(views_study, "PAUSE", 0.0)
    study, url = record("[factorial]\ndropout = [0.1, 0.2]\n", tmp_path), sqlite_url(tmp_path / "o.db")
    view, real, lost = OptunaStudy(url, study), OptunaStudy._values, [StorageInternalError("gone")]

    def tested(self: OptunaStudy) -> set[str]:
        if lost:
            raise lost.pop()
        return real(self)

    monkeypatch.setattr(OptunaStudy, "_values", tested)
    view.agree((t, study.trial_key(t), done(0.5)) for t in study.grid.trials())
    assert [t.state for t in optuna.load_study(study_name="s", storage=url).get_trials()] == [TrialState.COMPLETE] * 2


def test_a_study_of_that_name_on_other_images_is_left_alone(tmp_path: Path):
    """A study on other images is refused in a shared database; a trial that another workspace failed costs a run
    nothing."""
    recorded, url = record("[factorial]\ndropout = [0.1, 0.2]\n", tmp_path), sqlite_url(tmp_path / "o.db")
    study = OptunaStudy(url, recorded)
    trial = next(recorded.grid.trials())
    study.begin(trial, "k")
    with pytest.raises(AblateError, match="with other images or metric; choose another --name"):
        OptunaStudy(url, synthetic.changed(recorded, images="others"), shared=True)
    assert [t.state for t in study._study.get_trials()] == [TrialState.RUNNING]
    OptunaStudy(url, recorded)  # takes what runs for abandoned
    study.report("k", {"epoch": 1, "val_accuracy": 0.5})
    study.finish("k", done(0.5))
    optuna.delete_study(study_name="s", storage=url)
    with pytest.raises(AblateError, match="results and tables are complete"):
        study.agree([(trial, "k", done(0.5))])
    OptunaStudy(url, recorded)
    OptunaStudy(url, synthetic.changed(recorded, images="others"))  # in a database of its own, a name is taken anew


def test_importances_of_equal_values_are_none(tmp_path: Path):
    """Equal values have no importances: no variance can be shared."""
    recorded = record("[factorial]\ndropout = [0.1, 0.2]\n", tmp_path)
    assert optuna_importances.importances(recorded, {t: done(1.0) for t in recorded.grid.trials()}) == {}


def test_ties_are_ties_however_they_are_summed(tmp_path: Path):
    """The mean of 0.1, 0.2 and 0.3 is that of three times 0.2, and seeds may be named in any order."""
    text = "seeds = [{}]\n[[rows]]\nfc_units = 8\n[[rows]]\nfc_units = 16\n"
    recorded, workspace = record(text.format("0, 1, 2"), tmp_path), Workspace(tmp_path)
    values = iter([0.1, 0.2, 0.3, 0.2, 0.2, 0.2])
    results = {t: done(next(values), parameters=t.row) for t in recorded.grid.trials()}
    chosen = select(workspace, recorded, results)
    assert chosen.row == 1
    seal(workspace.study("s"), chosen)
    again = record(text.format("2, 0, 1"), tmp_path)
    by_seed = {(t.row, t.seed): r for t, r in results.items()}
    same = select(workspace, again, {t: by_seed[t.row, t.seed] for t in again.grid.trials()})
    assert seal(workspace.study("s"), same).earlier == ()


def test_an_unreachable_server_keeps_messages(tmp_path: Path):
    """The messages stay in the outbox where MLflow cannot be reached, and their number is known."""

    def refuse() -> Sender:
        raise ConnectionError("nobody there\nmore")

    tracker = Tracker(tmp_path / "outbox.jsonl", refuse)
    tracker.enqueue(*MESSAGES)
    assert tracker.states() is None
    assert tracker.close() == len(MESSAGES)
    assert tracker.error == "ConnectionError: nobody there"


@pytest.mark.parametrize("answers", [False, True])
def test_a_server_that_is_not_reached_is_described_in_a_few_words(
    tmp_path: Path, answers: bool, monkeypatch: pytest.MonkeyPatch
):
    """The reason is that of the operating system, not the texts of all libraries on the way."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if answers:
            silent.listen()  # accepts, and never answers
        server = f"http://127.0.0.1:{silent.getsockname()[1]}"
        tracker = Tracker(tmp_path / "outbox.jsonl", lambda: connect(Workspace(tmp_path), server, "s"))
        tracker.enqueue(*MESSAGES)
        assert tracker.states() is None
        tracker.close()
    assert tracker.error == f"{server}: {'timed out' if answers else 'Connection refused'}"


def test_what_a_server_out_of_reach_lacks_does_not_pile_up(tmp_path: Path):
    """Each start without MLflow adds three messages, however many trials; the next one that reaches it sends
    everything."""
    study = record("[factorial]\ndropout = [0.0, 0.1, 0.2]\n", tmp_path)
    results = {trial: Result(Status.FAILED, 1, error="no") for trial in study.grid.trials()}
    none = StudyEvidence({}, {}, {}, None)
    findings = StudyAnalysis(study, results, None, none, analyse(study, none, {}, None), None, (), ())
    drawing = for_trackers(Report(findings, {}, (), (), {}, {"table.csv": "row", "report.html": ""}))
    path = tmp_path / "outbox.jsonl"

    def refuse() -> Sender:
        raise ConnectionError

    for waiting in (3, 6):
        runs = MlflowRuns(study, Tracker(path, refuse))
        runs.agree(drawing, None)
        assert runs.close() == waiting
    runs = MlflowRuns(study, Tracker(path, lambda: sender(tmp_path)))
    runs.agree(drawing, None)
    assert runs.close() == 0
    states = sender(tmp_path).states
    assert set(states) == {PARENT, *map(study.trial_key, study.grid.trials())}
    assert all(states.values())


def test_selection_is_by_validation_and_ties_go_to_the_cheapest(tmp_path: Path):
    """The best validation score wins; exact ties: fewest parameters, then fewest updates, then the first row."""
    study = record("[factorial]\nbatch_size = [32, 64]\ndropout = [0.0, 0.1]\n", tmp_path)
    a, b, c, d = study.grid.trials()
    assert select(Workspace(tmp_path), study, {a: done(0.5), b: done(0.6), c: done(0.4), d: done(0.5)}).row == 2
    assert (
        select(Workspace(tmp_path), study, {a: done(0.5, 10), b: done(0.5, 9), c: done(0.5, 10), d: done(0.5, 10)}).row
        == 2
    )
    assert select(Workspace(tmp_path), study, {a: done(0.5), b: done(0.5), c: done(0.5), d: done(0.5)}).row == 3
    assert select(Workspace(tmp_path), study, {}) is None
    by_loss = record('select_on = "val_loss"\n[factorial]\ndropout = [0.0, 0.1]\n', tmp_path)
    assert select(
        Workspace(tmp_path), by_loss, dict(zip(by_loss.grid.trials(), [done(0.5), done(0.6)], strict=True))
    ).value == pytest.approx(0.4)


def test_a_seal_keeps_its_time_and_remembers_what_it_replaced(tmp_path: Path):
    """The same choice from the same predictions is not sealed anew; another one keeps the earlier in the file."""
    study = record("[factorial]\ndropout = [0.0, 0.1]\n", tmp_path)
    a, b = study.grid.trials()
    folder = StudyFolder(tmp_path / "s")
    first = seal(folder, select(Workspace(tmp_path), study, {a: done(0.5)}).model_copy(update={"sealed": "long ago"}))
    assert seal(folder, select(Workspace(tmp_path), study, {a: done(0.5)})).sealed == first.sealed == "long ago"
    grown = seal(folder, select(Workspace(tmp_path), study, {a: done(0.5), b: done(0.9)}))
    assert (grown.row, [e["sealed"] for e in grown.earlier]) == (2, ["long ago"])


def test_a_selection_follows_its_row(tmp_path: Path):
    """Rows may be inserted before the selected one, or it may go: whoever reads the selection gets its number now."""
    workspace, study = Workspace(tmp_path), record("[[rows]]\ndropout = 0.1\n[[rows]]\ndropout = 0.2\n", tmp_path)
    results = dict(zip(study.grid.trials(), [done(0.5), done(0.6)], strict=True))
    seal(workspace.study("s"), select(workspace, study, results))
    assert read(workspace, study).row == 2
    text = "[[rows]]\ndropout = {}\n[[rows]]\ndropout = 0.1\n[[rows]]\ndropout = {}\n"
    assert read(workspace, record(text.format(0.3, 0.2), tmp_path)).row == 3
    assert read(workspace, record(text.format(0.2, 0.3), tmp_path)).row == 1
    assert read(workspace, record(text.format(0.3, 0.4), tmp_path)) is None
    moved = record(text.format(0.2, 0.3), tmp_path)
    a, b, _ = moved.grid.trials()
    again = seal(workspace.study("s"), select(workspace, moved, {a: done(0.6), b: done(0.5)}))
    assert (again.row, again.earlier) == (1, ())
    workspace.study("s").selection.write_text('{"row": 1}')
    with pytest.raises(AblateError, match="it sets the file aside"):
        read(workspace, study)


def test_another_metric_is_another_optuna_study(tmp_path: Path):
    """Values of two metrics are not in one study, nor under the direction of the first."""
    text, url = "{}[factorial]\ndropout = [0.1, 0.2]\n", sqlite_url(tmp_path / "o.db")
    first = record(text.format(""), tmp_path)
    finished = [(t, first.trial_key(t), done(0.5)) for t in first.grid.trials()]
    OptunaStudy(url, first).agree(finished)
    for _ in range(2):
        by_loss = OptunaStudy(url, record(text.format('select_on = "val_loss"\n'), tmp_path))
        by_loss.agree(finished[:1])
    study = optuna.load_study(study_name="s", storage=url)
    assert study.direction == optuna.study.StudyDirection.MINIMIZE
    assert [t.value for t in study.get_trials()] == [pytest.approx(0.5)]
    assert len(finished) == 2


def test_weights_in_a_file_of_another_name_hold_nothing_up(tmp_path: Path):
    """MLflow takes no other value of a parameter: a run that is sent again keeps the first, and gains new ones."""
    send = sender(tmp_path)
    send.send([mlflow_messages.run(PARENT, "s", 1.0, {}, {})])
    for params in ({"weights": "vgg.h5"}, {"weights": "vgg16.h5", "dropout": "0.5"}):
        send.send([mlflow_messages.run("k", "row 1", 1.0, params, {})])
    stored = MlflowClient(send.uri).get_run(send.runs["k"]).data.params
    assert stored == {"weights": "vgg.h5", "dropout": "0.5"}
