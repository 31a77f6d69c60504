"""Small stores of MLflow and Optuna, as their users have them."""

import contextlib
import hashlib
import sqlite3
from pathlib import Path

# The tables of MLflow 2.9 that hold runs: its params may have 8,000 characters, and no table of MLflow 3 is there.
MLFLOW_2 = """
CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, name VARCHAR(256) NOT NULL UNIQUE,
    artifact_location VARCHAR(256), lifecycle_stage VARCHAR(32), creation_time BIGINT, last_update_time BIGINT);
CREATE TABLE runs (run_uuid VARCHAR(32) PRIMARY KEY, name VARCHAR(250), source_type VARCHAR(20),
    source_name VARCHAR(500), entry_point_name VARCHAR(50), user_id VARCHAR(256), status VARCHAR(9), start_time BIGINT,
    end_time BIGINT, source_version VARCHAR(50), lifecycle_stage VARCHAR(20), artifact_uri VARCHAR(200),
    experiment_id INTEGER REFERENCES experiments (experiment_id), deleted_time BIGINT);
CREATE TABLE params (key VARCHAR(250), value VARCHAR(8000) NOT NULL, run_uuid VARCHAR(32), PRIMARY KEY (key, run_uuid));
CREATE TABLE tags (key VARCHAR(250), value VARCHAR(5000), run_uuid VARCHAR(32), PRIMARY KEY (key, run_uuid));
CREATE TABLE metrics (key VARCHAR(250), value FLOAT NOT NULL, timestamp BIGINT NOT NULL, run_uuid VARCHAR(32),
    step BIGINT DEFAULT '0' NOT NULL, is_nan BOOLEAN DEFAULT '0' NOT NULL,
    PRIMARY KEY (key, timestamp, step, run_uuid, value, is_nan));
CREATE TABLE latest_metrics (key VARCHAR(250), value FLOAT NOT NULL, timestamp BIGINT, step BIGINT NOT NULL,
    is_nan BOOLEAN NOT NULL, run_uuid VARCHAR(32), PRIMARY KEY (key, run_uuid));
CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('acf3f17fdcc7');
INSERT INTO experiments VALUES (0, 'Default', '', 'active', 0, 0), (1, 'team/sweep', '', 'active', 0, 0),
    (2, 'old', '', 'deleted', 0, 0);
"""
LARGEST = 1.7976931348623157e308


def add_run(database: sqlite3.Connection, key: str, experiment: int = 1, start: int = 0, **more: object) -> None:
    """A run of MLflow of ten seconds; `more`: other columns of its line."""
    line = {
        "run_uuid": key, "name": f"run {key}", "status": "FINISHED", "start_time": start, "end_time": start + 10_000,
        "lifecycle_stage": "active", "experiment_id": experiment, "source_type": "UNKNOWN", "source_name": "",
        "user_id": "somebody", "artifact_uri": "", **more,
    }  # fmt: skip
    marks = ", ".join("?" * len(line))
    database.execute(f"INSERT INTO runs ({', '.join(line)}) VALUES ({marks})", list(line.values()))


def mlflow_2(path: Path) -> Path:
    """Three active runs in one experiment, one in the trash, and a deleted experiment."""
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.executescript(MLFLOW_2)
        add_run(database, "b", start=2_000, status="FAILED")
        add_run(database, "a", start=1_000)
        add_run(database, "c", start=3_000, status="RUNNING", end_time=None)
        add_run(database, "gone", lifecycle_stage="deleted")
        add_run(database, "old", experiment=2)
        texts = [
            ("lr", "1e-05"),
            ("n", "12"),
            ("flag", "True"),
            ("code", "007"),
            ("missing", "nan"),
            ("who", "x" * 500),
        ]
        database.executemany("INSERT INTO params VALUES (?, ?, 'a')", texts)
        database.execute("INSERT INTO params VALUES ('lr', '0.1', 'b')")
        tags = [
            ("user", "42"),
            ("mlflow.user", "somebody"),
            ("mlflow.runName", "best"),
            ("mlflow.source.git.commit", "ab"),
        ]
        database.executemany("INSERT INTO tags VALUES (?, ?, 'a')", tags)
        database.execute("INSERT INTO tags VALUES ('mlflow.parentRunId', 'a', 'b')")
        points = [  # in the order of no step
            ("acc", 0.7, 30, "a", 2, 0), ("acc", 0.5, 10, "a", 0, 0), ("acc", 0.0, 20, "a", 1, 1),
            ("acc", 0.6, 40, "a", 2, 0), ("loss", LARGEST, 10, "a", 0, 0), ("loss", -LARGEST, 10, "b", 0, 0),
            ("acc", 0.1, 10, "gone", 0, 0),
        ]  # fmt: skip
        database.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", points)
    return path


def content(folder: Path) -> dict[str, str]:
    """Name -> sha256 of all files below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
