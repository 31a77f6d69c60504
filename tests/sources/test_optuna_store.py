"""Trials of Optuna from databases and journal files."""

import contextlib
import json
import math
import sqlite3
import warnings
from pathlib import Path

import optuna
import pandas as pd
import pytest
from conftest import SHARED
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from store_samples import content

from ablation.errors import AblateError
from ablation.sources.readers import optuna_database, optuna_journal, optuna_store
from ablation.sources.readers.optuna_trials import OptunaStudy

pytestmark = pytest.mark.unit
IMPORTS = SHARED / "imports"
optuna.logging.set_verbosity(optuna.logging.WARNING)


def search(storage: BaseStorage) -> None:
    """A study of one trial for each state, and one that runs."""
    study = optuna.create_study(study_name="team/search", storage=storage, direction="minimize")
    with warnings.catch_warnings(action="ignore"):  # experimental
        study.set_metric_names(["error"])
    study.enqueue_trial({"lr": 0.1, "act": "relu", "n": 3, "depth": None})
    study.enqueue_trial({"lr": 0.2, "act": "tanh", "n": 4, "depth": 5})
    study.enqueue_trial({"act": "relu"})
    study.enqueue_trial({"act": "relu"})

    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("lr", 0.001, 1, log=True)
        act = trial.suggest_categorical("act", ["relu", "tanh"])
        trial.suggest_int("n", 1, 9)
        with warnings.catch_warnings(action="ignore"):
            trial.suggest_categorical("depth", [None, 5])
        if act == "tanh":
            trial.suggest_float("only", 0, 0)
        trial.set_user_attr("git", {"commit": "ab12", "tags": ["a", "b"]})
        for step, value in ((5, 0.5), (2, math.nan), (9, math.inf)):
            trial.report(value, step)
        if trial.number == 1:
            raise optuna.TrialPruned
        if trial.number == 2:
            raise ValueError("out of memory")
        return math.inf if trial.number == 3 else rate * 2

    study.optimize(objective, n_trials=4, catch=ValueError)
    study.ask()
    study.enqueue_trial({"lr": 0.5})


@pytest.fixture(scope="module", params=["database", "journal"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database or a journal file of Optuna, alone in its folder."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "journal":
        search(JournalStorage(JournalFileBackend(str(folder / "journal.log"))))
        return folder / "journal.log"
    search(RDBStorage(f"sqlite:///{folder}/optuna.db"))
    return folder / "optuna.db"


def test_trials_of_all_states_are_read(store: Path):
    """A complete trial alone has a result; a pruned trial has none, though Optuna stores its last value."""
    runs = optuna_store.read(str(store))
    assert list(runs.frame["run_id"]) == ["0", "1", "2", "3", "4", "5"]
    assert list(runs.frame["status"]) == ["done", "pruned", "failed", "done", "running", "running"]
    results = runs.frame["error"].tolist()
    assert (results[0], results[3]) == (0.2, math.inf)
    assert pd.isna(results[1:3] + results[4:]).all()
    assert runs.frame["duration"].notna().tolist() == [True] * 4 + [False] * 2
    assert runs.frame["started"].notna().tolist() == [True] * 5 + [False]
    assert (runs.kind, runs.separates_settings) == ("optuna", True)
    assert list(runs.notes) == [
        "Optuna's study 'team/search': 6 trials (2 done, 1 pruned, 1 failed, 2 running)",
        "error: minimized",
        "1 pruned trial has no result: the value that Optuna stores is an intermediate one",
    ]


def test_params_have_their_values(store: Path):
    """Categories are themselves, an int is no float, and a choice of None differs from a missing param."""
    frame = optuna_store.read(str(store)).frame
    assert frame["params.act"].tolist()[:2] == ["relu", "tanh"]
    assert [(n, type(n)) for n in frame["params.n"][:2]] == [(3, int), (4, int)]
    assert frame["params.depth"].tolist()[:2] == ["None", 5]
    assert frame["params.lr"].tolist()[:2] == pytest.approx([0.1, 0.2])
    assert frame["params.only"].dropna().to_dict() == {1: 0}
    assert frame["params.n"][5] is None
    assert (frame["tags.git.commit"][0], frame["tags.git.tags"][0]) == ("ab12", ("a", "b"))


def test_intermediate_values_are_curves(store: Path):
    """Curves are in the order of their steps, and keep nan and infinity."""
    curves = optuna_store.read(str(store)).curves
    assert curves is not None
    first = curves[curves["run"] == 0]
    assert first["step"].tolist() == [2, 5, 9]
    assert first["value"].tolist()[1:] == [0.5, math.inf]
    assert math.isnan(first["value"].tolist()[0])
    assert set(curves["metric"]) == {"intermediate"}
    assert curves["run"].nunique() == 4


@pytest.mark.parametrize("suffix", ["", "/team/search"])
def test_the_source_is_only_read(store: Path, suffix: str):
    """No byte changes, and no file appears; the study may be named, with its slash."""
    before = content(store.parent)
    runs = optuna_store.read(f"{store}{suffix}")
    assert content(store.parent) == before
    assert list(runs.files) == [str(store)]
    assert len(runs.files[str(store)]) == 64


def test_several_studies_are_listed(tmp_path: Path):
    """No study is chosen for the user, and a name that is none lists those that are."""
    url = f"sqlite:///{tmp_path}/two.db"
    storage = RDBStorage(url)
    for name, number in (("a", 2), ("b", 1)):
        study = optuna.create_study(study_name=name, storage=storage, directions=["minimize", "maximize"])
        study.optimize(lambda trial: (trial.suggest_int("n", 1, 3), 2.0), n_trials=number)
    for suffix, problem in (("", "several studies"), ("/c", "no study 'c'")):
        with pytest.raises(AblateError, match=f"{problem}.*'a' \\(2 trials\\), 'b' \\(1 trial\\)$"):
            optuna_store.read(url + suffix)
    runs = optuna_store.read(f"{url}/a")
    assert runs.frame["values.0"].tolist() == runs.frame["params.n"].tolist()
    assert runs.frame["values.1"].tolist() == [2, 2]
    assert list(runs.notes)[1:] == ["values.0: minimized", "values.1: maximized"]
    assert runs.curves is None


@pytest.mark.parametrize("names", [["status"], ["params.lr"], ["intermediate"], ["a", "b"]])
def test_names_of_metrics_are_no_names_of_other_fields(names: list[str]):
    """A metric whose name a field has is called by its place."""
    assert OptunaStudy("", "", "", ["MINIMIZE"], names).fields == ["value"]
    assert OptunaStudy("", "", "", ["MINIMIZE"], ["error"]).fields == ["error"]


def test_a_schema_of_optuna_2_is_read(tmp_path: Path):
    """The values of Optuna 2 have no type: a missing intermediate value is nan."""
    search(RDBStorage(f"sqlite:///{tmp_path}/old.db"))
    with contextlib.closing(sqlite3.connect(tmp_path / "old.db")) as database, database:
        database.execute("DROP TABLE trial_system_attributes")
        database.execute("DROP TABLE trial_user_attributes")
        database.execute("CREATE TABLE trial_user_attributes (trial_id, key, value_json)")
        database.execute("CREATE TABLE trial_system_attributes (trial_id, key, value_json)")
        database.execute("INSERT INTO trial_system_attributes VALUES (3, 'fail_reason', '\"no memory\"')")
        for table, columns in (
            ("trial_values", "trial_id, objective, value"),
            ("trial_intermediate_values", "trial_id, step, intermediate_value"),
        ):
            database.execute(f"CREATE TABLE kept AS SELECT {columns} FROM {table}")
            database.execute(f"DROP TABLE {table}")
            database.execute(f"ALTER TABLE kept RENAME TO {table}")
    runs = optuna_store.read(str(tmp_path / "old.db"))
    assert runs.curves is not None
    assert runs.frame["error"][0] == pytest.approx(0.2)
    assert runs.frame["reason"].tolist()[2:4] == ["no memory", None]
    assert runs.curves["value"].isna().sum() == 8


def test_a_value_that_no_distribution_decodes_stays(tmp_path: Path):
    """A distribution of a later Optuna does not hide the run."""
    assert optuna_database._decoded('{"name": "LaterDistribution", "attributes": {}}', 1.5) == 1.5


def test_an_attribute_of_great_depth_is_one_line(tmp_path: Path):
    """A JSON bomb ends in no traceback."""
    study = optuna.create_study(study_name="s", storage=f"sqlite:///{tmp_path}/a.db")
    study.ask()
    with contextlib.closing(sqlite3.connect(tmp_path / "a.db")) as database, database:
        bomb = '{"a":' * 100_000 + "1" + "}" * 100_000
        database.execute("INSERT INTO trial_user_attributes VALUES (1, 1, 'deep', ?)", [bomb])
    with pytest.raises(AblateError, match=r"a.db: content that no Optuna writes: "):
        optuna_store.read(str(tmp_path / "a.db"))


def test_a_file_that_is_no_store_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Texts, broken journals, folders, other databases and missing files are one line each."""
    (tmp_path / "a.txt").write_text("no")
    (tmp_path / "broken.log").write_text('{"op_code": 4}\n')
    (tmp_path / "torn.log").write_text(
        '{"op_code": 0, "worker_id": "a", "study_name": "x", "directions": [1]}\n{"op\n{}\n'
    )
    (tmp_path / "none.log").write_text('{"op_code": 1, "worker_id": "a", "study_id": 0}\n')
    with contextlib.closing(sqlite3.connect(tmp_path / "other.db")) as database, database:
        database.execute("CREATE TABLE studies (x)")
    RDBStorage(f"sqlite:///{tmp_path}/empty.db")
    for name, text in {
        "a.txt": "neither an SQLite database nor a journal file", "broken.log": "not a journal that Optuna",
        "torn.log": "not a journal that Optuna", "": "a folder; name a database", "none.log": "no study is stored here",
        "other.db": "not a database of Optuna 2.4 or later: no table study_directions; upgrade a copy",
        "empty.db": "no study is stored here", "missing.db": "missing.db: no such file",
    }.items():  # fmt: skip
        with pytest.raises(AblateError, match=text) as refusal:
            optuna_store.read(str(tmp_path / name))
        assert "\n" not in str(refusal.value)
    monkeypatch.setattr(optuna_journal, "LARGEST", 10)
    with pytest.raises(AblateError, match="larger than"):
        optuna_store.read(str(tmp_path / "none.log"))


def test_the_three_searches_of_one_database():
    """Each real study has its expected means, with pruned trials apart, and the database is not changed."""
    path = IMPORTS / "optuna" / "rvfl-db" / "optuna.db"
    if not path.exists():
        pytest.skip(f"no real results: {path} is missing")
    before = content(path.parent)
    rows = json.loads((IMPORTS / "EXPECTED.json").read_text())["optuna/rvfl-db"]["rows"]
    with pytest.raises(AblateError, match=r"'study_rvfl' \(50 trials\), 'study_mlp' \(50 trials\)"):
        optuna_store.read(str(path))
    points = 0
    for name in ("study_rvfl", "study_mlp", "study_mlp_single"):
        runs = optuna_store.read(f"{path}/{name}")
        assert runs.curves is not None
        points += len(runs.curves)
        values = runs.frame.groupby("status")["value"].agg(["size", "count", "mean", "std"])
        complete, pruned = rows[f"{name} | COMPLETE"], rows[f"{name} | PRUNED"]
        assert list(values.loc["done"]) == pytest.approx([complete["n"], *(complete[k] for k in ("n", "mean", "sd"))])
        assert list(values.loc["pruned"][["size", "count"]]) == [pruned["n"], 0]
        last = runs.curves.groupby("run")["value"].last()[runs.frame["status"] == "pruned"]
        assert last.mean() == pytest.approx(pruned["mean"])
        assert set(runs.frame.get("params.activation", "relu")) <= {"relu", "sigmoid", "tanh"}
        assert "value: minimized" in runs.notes
    assert points == 1074
    assert content(path.parent) == before
