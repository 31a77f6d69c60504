"""Runs of MLflow from databases and folders."""

import contextlib
import json
import math
import shutil
import sqlite3
from pathlib import Path

import pytest
from conftest import SHARED
from store_samples import add_run, content, mlflow_2

from ablation.errors import AblateError
from ablation.sources.readers import databases, mlflow_store
from ablation.sources.readers.mlflow_runs import typed
from ablation.sources.runs import CURVES

pytestmark = pytest.mark.unit
IMPORTS = SHARED / "imports"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A database of MLflow 2, alone in its folder."""
    (tmp_path / "store").mkdir()
    return mlflow_2(tmp_path / "store" / "mlflow.db")


def test_a_database_of_mlflow_2_is_read_whole(store: Path):
    """Active runs are in the order of their start, with state, name, times, settings and tags of the user."""
    runs = mlflow_store.read(str(store))
    lines = runs.frame.set_index("run_id")
    assert list(lines.index) == ["a", "b", "c"]
    assert list(lines["status"]) == ["done", "failed", "running"]
    assert list(lines["name"]) == ["best", "run b", "run c"]
    assert list(lines["duration"])[:2] == [10, 10]
    assert lines["duration"].isna().tolist() == [False, False, True]
    assert lines["started"]["a"] == "1970-01-01T00:00:01+00:00"
    assert lines["params.lr"]["a"] == 1e-05
    assert math.isnan(lines["params.lr"]["c"])
    assert lines["params.n"].tolist() == [12, None, None]
    assert (lines["tags.user"]["a"], lines["tags.mlflow.source.git.commit"]["a"]) == ("42", "ab")
    assert [name for name in runs.frame if "mlflow" in name] == ["tags.mlflow.source.git.commit"]
    assert (runs.kind, runs.separates_settings) == ("mlflow", True)


def test_curves_are_in_the_order_of_steps_then_of_times(store: Path):
    """All values are kept; nan is nan, and infinity is not the largest number."""
    curves = mlflow_store.read(str(store)).curves
    assert curves is not None
    assert tuple(curves) == CURVES
    acc = curves[(curves["run"] == 0) & (curves["metric"] == "acc")]
    assert list(acc["step"]) == [0, 1, 2, 2]
    assert acc["value"].isna().tolist() == [False, True, False, False]
    assert acc["value"].dropna().tolist() == [0.5, 0.7, 0.6]
    assert curves[curves["metric"] == "loss"]["value"].tolist() == [math.inf, -math.inf]
    assert len(curves) == 6


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12), ("-3", -3), ("0.5", 0.5), ("1e-05", 1e-05), ("True", True), ("false", False), ("-inf", -math.inf),
        ("007", "007"), ("nan", "nan"), ("None", "None"), ("1_000", "1_000"), ("12e4567", "12e4567"), ("", ""),
        ("1.0", 1.0), ("9" * 30, "9" * 30), ("1.", 1.0), ("00.5", "00.5"),
    ],
)  # fmt: skip
def test_texts_of_params_get_their_type(text: str, value: object):
    """A text that could be a name, or that no number equals, stays a text."""
    assert (typed(text), type(typed(text))) == (value, type(value))


def test_what_may_mislead_is_said(store: Path):
    """Cut texts, nested runs and the trash have a sentence."""
    notes = mlflow_store.read(str(store)).notes
    assert notes[0] == "MLflow's experiment 'team/sweep': 3 runs"
    assert any("params.who of 1 run: exactly 500 characters" in note for note in notes)
    assert any("1 run with nested runs of its own ('best')" in note for note in notes)
    assert any("trash, left out: 1" in note for note in notes)


@pytest.mark.parametrize("suffix", ["", "/team/sweep", "/1"])
@pytest.mark.parametrize("prefix", ["", "sqlite:///", "sqlite+pysqlite:///"])
def test_an_experiment_is_named_by_name_or_id(store: Path, prefix: str, suffix: str):
    """The name may contain slashes; without one, the experiment with runs is read."""
    assert len(mlflow_store.read(f"{prefix}{store}{suffix}").frame) == 3


def test_several_experiments_are_listed_with_their_runs(store: Path):
    """No experiment is chosen for the user, and none that is empty or deleted is offered."""
    with contextlib.closing(sqlite3.connect(store)) as database, database:
        add_run(database, "d", experiment=0)
    for suffix, problem in (("", "several experiments have runs"), ("/nope", "no experiment 'nope'")):
        with pytest.raises(AblateError, match=f"{problem}.*'Default' \\(1 run\\), 'team/sweep' \\(3 runs\\)$"):
            mlflow_store.read(f"{store}{suffix}")
    assert len(mlflow_store.read(f"{store}/Default").frame) == 1


def test_a_write_ahead_log_is_read_and_no_byte_changes(store: Path):
    """A run that a program has just written is read while that program has the database open."""
    with contextlib.closing(sqlite3.connect(store)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        with writer:
            add_run(writer, "new", start=9_000)
        before = content(store.parent)
        assert set(before) == {"mlflow.db", "mlflow.db-wal", "mlflow.db-shm"}
        assert list(mlflow_store.read(str(store)).frame["run_id"]) == ["a", "b", "c", "new"]
        after = content(store.parent)
        assert {name: after[name] for name in ("mlflow.db", "mlflow.db-wal")} == {
            name: before[name] for name in ("mlflow.db", "mlflow.db-wal")
        }


@pytest.mark.parametrize("left", [("-wal",), ("-wal", "-shm")])
def test_the_log_of_a_program_that_died_is_read(store: Path, tmp_path: Path, left: tuple[str, ...]):
    """No file of the source changes, disappears or appears."""
    copies = tmp_path / "copies"
    copies.mkdir()
    with contextlib.closing(sqlite3.connect(store)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        with writer:
            add_run(writer, "new", start=9_000)
        for suffix in ("", *left):
            shutil.copy(f"{store}{suffix}", copies)
    before = content(copies)
    assert list(mlflow_store.read(str(copies / store.name)).frame["run_id"]) == ["a", "b", "c", "new"]
    after = content(copies)
    assert set(after) == set(before)
    assert all(after[name] == before[name] for name in before if not name.endswith("-shm"))


def test_a_database_in_log_mode_at_rest_gets_no_files(store: Path):
    """SQLite would create a log next to a database that it opens; the copy spares the source."""
    with contextlib.closing(sqlite3.connect(store)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
    before = content(store.parent)
    assert len(mlflow_store.read(str(store)).frame) == 3
    assert content(store.parent) == before


def test_half_a_transaction_of_a_program_that_died_is_not_read(store: Path, tmp_path: Path):
    """The journal is rolled back in the copy; the source keeps it."""
    copies = tmp_path / "copies"
    copies.mkdir()
    with contextlib.closing(sqlite3.connect(store, isolation_level=None)) as writer:
        writer.execute("PRAGMA cache_size = 1")
        writer.execute("BEGIN")
        for number in range(500):
            add_run(writer, f"half {number}", name="x" * 200)
        for suffix in ("", "-journal"):
            shutil.copy(f"{store}{suffix}", copies)
        writer.execute("ROLLBACK")
    before = content(copies)
    assert before["mlflow.db"] != content(store.parent)["mlflow.db"]
    assert list(mlflow_store.read(str(copies / store.name)).frame["run_id"]) == ["a", "b", "c"]
    assert content(copies) == before


def test_a_locked_database_is_an_error(store: Path, monkeypatch: pytest.MonkeyPatch):
    """A program that writes without end is named as the reason, in bounded time."""
    monkeypatch.setattr(databases, "LOCK_SECONDS", 0.1)
    with contextlib.closing(sqlite3.connect(store, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(AblateError, match=r"mlflow.db: locked by another program"):
            mlflow_store.read(str(store))


def test_the_digest_is_of_the_runs_that_were_read(store: Path):
    """A run of another experiment does not change the digest, a new value does."""
    first = mlflow_store.read(f"{store}/1").files
    assert list(first) == [str(store)]
    with contextlib.closing(sqlite3.connect(store)) as database, database:
        add_run(database, "d", experiment=0)
    assert mlflow_store.read(f"{store}/1").files == first
    with contextlib.closing(sqlite3.connect(store)) as database, database:
        database.execute("INSERT INTO metrics VALUES ('acc', 0.9, 1, 'c', 0, 0)")
    assert mlflow_store.read(f"{store}/1").files != first


def test_a_file_that_is_no_store_is_named(tmp_path: Path):
    """Texts, broken databases, other databases, empty stores and missing files are one line each."""
    (tmp_path / "a.txt").write_text("no")
    (tmp_path / "broken.db").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    with contextlib.closing(sqlite3.connect(tmp_path / "other.db")) as database, database:
        database.execute("CREATE TABLE runs (x)")
    with contextlib.closing(sqlite3.connect(tmp_path / "empty.db")) as database, database:
        database.execute("CREATE TABLE experiments (experiment_id, name, lifecycle_stage)")
        for name in ("runs", "params", "metrics", "tags"):
            database.execute(f"CREATE TABLE {name} (run_uuid, experiment_id, lifecycle_stage)")
    (tmp_path / "folder").mkdir()
    for name, text in {
        "a.txt": "a.txt: not an SQLite database", "broken.db": "broken.db: ", "missing/x.db": "x.db: no such",
        "other.db": "not a database of MLflow: no table experiments", "empty.db": "no experiment has runs",
        "folder": "folder: not a folder of MLflow",
    }.items():  # fmt: skip
        with pytest.raises(AblateError, match=text) as refusal:
            mlflow_store.read(str(tmp_path / name))
        assert "\n" not in str(refusal.value)


def test_content_that_mlflow_never_writes_is_one_line(store: Path):
    """A text in place of a number ends in no traceback."""
    with contextlib.closing(sqlite3.connect(store)) as database, database:
        database.execute("INSERT INTO metrics VALUES ('acc', 'high', 1, 'c', 0, 0)")
    with pytest.raises(AblateError, match=r"mlflow\.db: content that no MLflow writes: "):
        mlflow_store.read(str(store))


@pytest.mark.parametrize("address", ["", "sqlite:///", "nowhere.db", "http://", "https:///x"])
def test_an_address_without_a_place_is_one_line(address: str):
    """No server is asked, and no folder is searched."""
    with pytest.raises(AblateError, match=r"no such file or folder|no name of a server"):
        mlflow_store.read(address)


META = """artifact_uri: file:///old/place/1/{key}/artifacts
end_time: {end}
entry_point_name: ''
experiment_id: '1'
lifecycle_stage: {stage}
run_id: {key}
run_name: run {key}
source_type: 4
start_time: {start}
status: {status}
tags: []
user_id: somebody
"""


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def folder_run(place: Path, key: str, start: int, status: int = 3, stage: str = "active") -> Path:
    """A run of a file store, with the params, tags and metrics that all have."""
    end = "null" if status == 1 else start + 5000
    write(place / key / "meta.yaml", META.format(key=key, start=start, end=end, status=status, stage=stage))
    write(place / key / "params" / "opt" / "lr", "0.1")
    write(place / key / "tags" / "mlflow.runName", f"named {key}")
    write(place / key / "tags" / "user", "me")
    write(place / key / "metrics" / "val" / "acc", "20 0.7 1\n10 0.5 0\n30 nan 2\n")
    return place / key


@pytest.fixture
def mlruns(tmp_path: Path) -> Path:
    """A file store with one experiment of three active runs."""
    root = tmp_path / "project" / "mlruns"
    for key, name in (("0", "Default"), ("1", "sweep")):
        text = f"artifact_location: file:///x\nexperiment_id: '{key}'\nlifecycle_stage: active\nname: {name}\n"
        write(root / key / "meta.yaml", text)
    for position, (key, status) in enumerate((("b", 4), ("a", 3), ("c", 1))):
        folder_run(root / "1", key, position * 1000, status)
    folder_run(root / "1", "gone", 0, stage="deleted")
    folder_run(root / ".trash" / "7", "old", 0)
    write(root / "1" / "a" / "metrics" / "oldest", "5 0.25\n")
    write(root / "1" / "a" / "metrics" / "with_data", "5 0.5 3 train 1234abcd\n")
    return root


@pytest.mark.parametrize("suffix", ["", "/sweep", "/1", "/.."])
@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_folder_is_read_whole(mlruns: Path, prefix: str, suffix: str):
    """Names with slashes are folders; steps of all generations of lines are read; no byte changes."""
    before = content(mlruns)
    runs = mlflow_store.read(f"{prefix}{mlruns}{suffix}")
    assert list(runs.frame["run_id"]) == ["b", "a", "c"]
    assert list(runs.frame["status"]) == ["failed", "done", "running"]
    assert list(runs.frame["name"]) == ["named b", "named a", "named c"]
    assert list(runs.frame["params.opt/lr"]) == [0.1] * 3
    assert list(runs.frame["tags.user"]) == ["me"] * 3
    assert runs.frame["duration"][0] == 5
    assert runs.curves is not None
    first = runs.curves[runs.curves["run"] == 1]
    assert first["metric"].tolist() == ["oldest", *["val/acc"] * 3, "with_data"]
    assert first["step"].tolist() == [0, 0, 1, 2, 3]
    assert first["value"].tolist()[:3] + first["value"].tolist()[4:] == [0.25, 0.5, 0.7, 0.5]
    assert math.isnan(first["value"].tolist()[3])
    assert any("trash, left out: 1" in note for note in runs.notes)
    assert content(mlruns) == before


def test_a_folder_without_descriptions_keeps_its_runs(mlruns: Path):
    """A run without meta.yaml has failed, for a reason that is said; so has one with a broken file."""
    (mlruns / "1" / "meta.yaml").unlink()
    (mlruns / "1" / "a" / "meta.yaml").unlink()
    (mlruns / "1" / "b" / "meta.yaml").write_text("a: [1\n")
    runs = mlflow_store.read(str(mlruns))
    lines = runs.frame.set_index("run_id")
    assert list(lines["status"]) == ["running", "failed", "failed"]
    assert lines["reason"]["a"] == "meta.yaml is missing or cannot be read: the status is unknown"
    assert any(note.endswith("b/meta.yaml: not valid YAML") for note in runs.notes)


def test_a_description_builds_no_object(mlruns: Path, tmp_path: Path):
    """A tag of Python is read as the plain value below the tag."""
    path = mlruns / "1" / "a" / "meta.yaml"
    mark = tmp_path / "mark"
    text = path.read_text().replace("run_name: run a", f'run_name: !!python/object/apply:os.system ["touch {mark}"]')
    path.write_text(text + "more: !!python/tuple [1, 2]\n")
    assert len(mlflow_store.read(str(mlruns)).frame) == 3
    assert not mark.exists()


def test_links_out_of_the_folder_are_left_out(mlruns: Path, tmp_path: Path):
    """A link in the folder is read, a link to other places is named."""
    write(tmp_path / "secret", "secret")
    folder_run(tmp_path / "outside", "z", 0)
    (mlruns / "1" / "a" / "params" / "out").symlink_to(tmp_path / "secret")
    (mlruns / "1" / "a" / "params" / "in").symlink_to(mlruns / "1" / "b" / "params" / "opt" / "lr")
    (mlruns / "1" / "z").symlink_to(tmp_path / "outside" / "z")
    runs = mlflow_store.read(str(mlruns))
    assert list(runs.frame["run_id"]) == ["b", "a", "c"]
    assert runs.frame["params.in"].dropna().to_dict() == {1: 0.1}
    assert "params.out" not in runs.frame
    assert sum("a link out of the folder" in note for note in runs.notes) == 2


def test_lines_that_are_no_values_are_named(mlruns: Path):
    """The other lines are read; the number of sentences is bounded."""
    lines = "1 0.5 0\n<<<<<<< HEAD\n2 0.75 1\n3\n" + "x\n" * 100
    write(mlruns / "1" / "a" / "metrics" / "torn", lines)
    runs = mlflow_store.read(str(mlruns))
    assert runs.curves is not None
    assert runs.curves[runs.curves["metric"] == "torn"]["value"].tolist() == [0.5, 0.75]
    assert any(note.endswith("torn: line 2 is no value of a metric, left out") for note in runs.notes)
    assert len(runs.notes) < 30


def test_texts_of_another_encoding_are_read(mlruns: Path):
    """A text that is not UTF-8 is read as latin-1, which is said."""
    (mlruns / "1" / "a" / "params" / "who").write_bytes("Jürgen".encode("latin-1"))
    runs = mlflow_store.read(str(mlruns))
    assert runs.frame["params.who"][1] == "Jürgen"
    assert any(note.endswith("who: not UTF-8, read as latin-1") for note in runs.notes)


def test_the_search_on_house_prices():
    """The real database gives sixteen runs with the expected errors."""
    path = IMPORTS / "mlflow" / "housing-xgb-db" / "mlflow.db"
    if not path.exists():
        pytest.skip(f"no real results: {path} is missing")
    before = content(path.parent)
    runs = mlflow_store.read(str(path))
    assert runs.curves is not None
    errors = runs.curves[runs.curves["metric"] == "rmse"]
    rows = json.loads((IMPORTS / "EXPECTED.json").read_text())["mlflow/housing-xgb-db"]["rows"]
    means = dict(zip(runs.frame["name"][errors["run"]], errors["value"], strict=True))
    assert means == pytest.approx({name: row["mean"] for name, row in rows.items()})
    assert len(runs.frame) == 16
    assert content(path.parent) == before
