"""Real sets of results: JSON files, W&B exports and folders of six tools give the expected runs and means."""

import json
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from conftest import SHARED

from ablation.sources.readers import folders, json_files, wandb_csv
from ablation.sources.runs import Runs

IMPORTS = SHARED / "imports"
pytestmark = [
    pytest.mark.unit,
    pytest.mark.skipif(not IMPORTS.is_dir(), reason=f"the real result files are not at {IMPORTS}"),
]


def equals(frame: pd.DataFrame, by: list[str], metric: str, key: str) -> None:
    """Assert that lines, numbers and means of the rows are those of EXPECTED.json."""
    expected: dict[str, Any] = json.loads((IMPORTS / "EXPECTED.json").read_text())[key]["rows"]
    rows = {}
    for levels, group in frame.groupby(by, dropna=False):
        values = pd.to_numeric(group[metric])
        rows[" | ".join(map(str, levels))] = (len(group), values.count(), values.mean())
    assert rows.keys() == expected.keys()
    for name, (lines, n, mean) in rows.items():
        assert (lines, n) == (expected[name]["lines"], expected[name]["n"]), name
        if n:
            assert mean == pytest.approx(expected[name]["mean"], rel=1e-8, abs=1e-12), name


def with_last(runs: Runs, metric: str) -> pd.DataFrame:
    """Return the runs with the last value of a metric."""
    curves: Any = runs.curves
    return runs.frame.assign(last=curves[curves["metric"] == metric].groupby("run")["value"].last())


def read(preset: str, place: str) -> Runs:
    assert folders.detect(IMPORTS / place) == preset
    return folders.read(f"folders:{preset}:{IMPORTS / place}")


def test_chestx6():
    """55 files are 55 runs; the copy "(1)" is one of them, and lists of 16 to 100 values are curves."""
    runs = json_files.read(f"json:{IMPORTS}/json-runs/chestx6/results/*.json")
    assert len(runs.frame) == len(runs.files) == 55
    assert runs.metrics == ["train_losses", "val_f1s"]
    frame = runs.frame[~runs.frame["file"].str.contains("(1)", regex=False)]
    equals(frame, ["model_name", "subset_name"], "test_metrics.accuracy", "json-runs/chestx6")


@pytest.mark.parametrize(
    ("name", "lines", "by", "key"),
    [("showcase", 54, ["task_id", "variant"], "showcase"),
     ("claude5-refresh-2026-07-06", 39, ["model", "effort"], "refresh")],
)  # fmt: skip
def test_agent_lab(name: str, lines: int, by: list[str], key: str):
    """A line of JSON is a run."""
    frame = json_files.read(f"{IMPORTS}/per-example/agent-lab/results/{name}.jsonl").frame
    assert len(frame) == lines
    equals(frame, by, "value", f"per-example/agent-lab:{key}")


def test_finqa_rag():
    """31 files of metrics, 23 of them of 500 items; the score is under one of two names."""
    frame = json_files.read(f"{IMPORTS}/per-example/finqa-rag/results/metrics/*_metrics_*.json").frame
    assert len(frame) == 31
    frame = frame.assign(f1=frame["metrics.overall.f1"].fillna(frame["qa_metrics.overall.f1"]))
    frame["top_k"] = pd.to_numeric(frame["top_k"])
    frame = frame[frame["n_samples"] == 500]
    equals(frame, ["config", "model", "top_k"], "f1", "per-example/finqa-rag:f1")


def test_timewarp():
    """62 runs with Python dicts; two crashed after seconds and are failed."""
    runs = wandb_csv.read(f"wandb:{IMPORTS}/wandb/timewarp-vae")
    assert runs.separates_settings
    assert runs.frame["status"].value_counts().to_dict() == {"done": 60, "failed": 2}
    assert set(runs.frame["reason"].dropna()) == {"no results"}
    names = ["params.decoder_name", "params.scalar_timewarper_name", "params.traj_channels", "beta"]
    frame = runs.frame.assign(beta=pd.to_numeric(runs.frame["params.beta"]))
    equals(frame, ["file", *names], "test_alignedRMSE", "wandb/timewarp-vae")


def test_text_aug():
    """Six runs of a flat export; the configuration with a trailing comma is reported by name."""
    frame = wandb_csv.read(f"{IMPORTS}/wandb/text-aug/project.csv").frame
    expected = json.loads((IMPORTS / "EXPECTED.json").read_text())["wandb/text-aug"]["rows"]
    assert dict(zip(frame["name"], frame["test_acc"], strict=True)) == {k: v["mean"] for k, v in expected.items()}
    runs = json_files.read(f"{IMPORTS}/wandb/text-aug/eval_runs")
    assert len(runs.frame) == 5
    assert [note for note in runs.notes if note.startswith("Not read: bert_substitute_00.json: not valid JSON (line 8")]


def test_rdsg():
    """35 jobs have 224 trials, one a line; a prior that no override names is read from the config."""
    runs = read("hydra", "hydra/rdsg-trials")
    frame = runs.frame.assign(param=pd.to_numeric(runs.frame["params.game.similarity.param"]).astype(float))
    assert (len(frame), frame["folder"].nunique()) == (224, 35)
    names = ["params.game.prior", "params.simulation.dynamics.name", "params.simulation.num_trials", "param"]
    equals(frame, names, "distortion", "hydra/rdsg-trials")


def test_forest_cover():
    """45 versions; the factor is the length of a list, and the last validation is on a line of its own."""
    runs = read("lightning", "lightning/forest-cover")
    assert len(runs.frame) == 45
    equals(with_last(runs, "valid_accuracy"), ["params.continuous_cols.length"], "last", "lightning/forest-cover")


@pytest.mark.parametrize(("key", "choose"), [("last", None), ("best", pd.Series.max)])
def test_values_detection(key: str, choose: Callable[..., float] | None):
    """Seven arms with a nested metric; the best value of the course is the trainer's own note."""
    runs = read("huggingface", "hf/values-detection")
    frame = with_last(runs, "eval_f1-score.avg-f1-score")
    if choose:
        assert runs.curves is not None
        curve = runs.curves[runs.curves["metric"] == "eval_f1-score.avg-f1-score"]
        frame["last"] = curve.groupby("run")["value"].agg(choose)
        assert list(frame["last"]) == list(frame["tags.best_metric"])
    frame["arm"] = frame["folder"].str.rsplit("/", n=1).str[-1]
    equals(frame, ["arm"], "last", f"hf/values-detection:{key}")


def test_hemorrhage():
    """Two runs, one of 39 of 50 epochs."""
    runs = read("ultralytics", "ultralytics/hemorrhage")
    frame = with_last(runs, "metrics/mAP50-95(B)")
    frame["arm"] = frame["folder"].str.rsplit("/", n=1).str[-1]
    equals(frame, ["arm"], "last", "ultralytics/hemorrhage")
    assert runs.curves is not None
    assert list(runs.curves.groupby("run")["step"].max()) == [39, 50]


def test_rllib_workers():
    """18 trials of a grid and one test; the factors are in the names of the folders."""
    runs = read("ray", "ray/rllib-workers")
    assert len(runs.frame) == 19
    frame = with_last(runs, "time_total_s")
    pattern = r"host1_cpus/(?P<model>model\d)_(?P<gpu>both_gpus|gpu\d)_(?P<affinity>.*)_8_workers"
    frame = frame.join(frame["folder"].str.extract(pattern)).dropna(subset="model")
    equals(frame, ["model", "gpu", "affinity"], "last", "ray/rllib-workers")
    assert not [name for name in runs.metrics if "hist_stats" in name]


def test_tgne():
    """Eight completed runs; 4, 6 and 7 are one config and seed, and agree to 1e-6."""
    runs = read("sacred", "sacred/tgne")
    frame = with_last(runs, "loss").set_index("run_id")
    assert list(frame.index) == list("12345678")
    assert set(frame["status"]) == {"done"}
    assert set(frame.loc[["4", "6", "7"], "params.seed"]) == {42}
    assert frame.loc[["4", "6", "7"], "last"].std() / abs(frame.loc["4", "last"]) < 1e-6
    assert frame["params.dataset"]["8"] == "highschool"
