"""Real result files of other people give the expected rows, replicates and means, or are refused, saying why."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablation.errors import AblateError
from ablation.sources import address, arrange, metrics, numbers
from ablation.sources.arrange import Arranged
from ablation.study.import_keys import ImportKeys

SETS = Path(__file__).parents[3] / "shared" / "data" / "imports"
pytestmark = [
    pytest.mark.unit,
    pytest.mark.skipif(not SETS.is_dir(), reason="the real result files are not here: ../shared/data/imports"),
]
Name = Callable[[tuple[Any, ...]], str]


def joined(row: tuple[Any, ...]) -> str:
    """Return the name of a row in EXPECTED.json."""
    return " | ".join(map(str, row))


def with_floats(row: tuple[Any, ...]) -> str:
    """Return the same name, where pandas had read numbers as floats, and a missing one as nan."""
    return " | ".join("nan" if v is None else f"{float(v)}" if isinstance(v, int) else str(v) for v in row)


VN, HLB = "tidy/recurrent-noise/results/", "long/hlb-cifar10/ablation_results.csv"
ABLATOR = "tidy/ablator-386-trials/tests/assets/results.csv"
EXPECTED: dict[str, tuple[str, Mapping[str, Any], Name]] = {
    "tidy/recurrent-noise:variable_noise": (
        f"{VN}variable_noise_metrics.csv",
        {"factors": ["group"], "seed": "seed_model", "where": {"noise_level": 0.3}, "metrics": ["gain"]}, joined,
    ),
    "tidy/recurrent-noise:sweep_vn": (
        f"{VN}sweep_vn_hyperparams.csv", {"factors": ["w1", "tau"], "seed": "seed", "metrics": ["gain"]}, joined,
    ),
    "tidy/ablator-386-trials:optimizer": (
        ABLATOR, {"factors": ["train_config.optimizer_config.name"], "metrics": ["val_acc"]}, joined,
    ),
    "long/hlb-cifar10:last": (
        HLB, {"factors": ["ablation"], "seed": "run", "step": "epoch", "metrics": ["val_acc"]}, joined,
    ),
    "long/hlb-cifar10:last_ema": (
        HLB, {"factors": ["ablation"], "seed": "run", "step": "epoch", "metrics": ["ema_val_acc", "val_acc"]}, joined,
    ),
    "long/hlb-cifar10:best": (
        HLB, {"factors": ["ablation"], "seed": "run", "step": "epoch", "metrics": ["val_acc"], "take": "best"}, joined,
    ),
    "kfold/konet": (
        "kfold/konet/fold_results.csv",
        {"factors": ["script", "model"], "fold": "fold", "metrics": ["test_accuracy", "valid_accuracy"]}, joined,
    ),
    "wandb/text-aug": (
        "wandb/text-aug/project.csv", {"factors": ["name"], "metrics": ["test_acc"]}, joined,
    ),
    "wandb/timewarp-vae": (
        "wandb:wandb/timewarp-vae/*.csv",
        {"factors": ["file", "decoder_name", "scalar_timewarper_name", "traj_channels", "beta"],
         "metrics": ["test_alignedRMSE"]}, joined,
    ),
    "json-runs/chestx6": (
        "json:json-runs/chestx6/results/*.json",
        {"factors": ["model_name", "subset_name"], "seed": "seed", "duplicates": "latest",
         "metrics": {"test_accuracy": "test_metrics.accuracy"}}, joined,
    ),
    "per-example/agent-lab:refresh": (
        "json:per-example/agent-lab/results/claude5-refresh-2026-07-06.jsonl",
        {"factors": ["model", "effort"], "metrics": ["value"]}, joined,
    ),
    "per-example/agent-lab:showcase": (
        "json:per-example/agent-lab/results/showcase.jsonl", {"factors": ["task_id", "variant"], "metrics": ["value"]},
        joined,
    ),
    "hydra/rdsg-trials": (
        "folders:hydra:hydra/rdsg-trials/multirun",
        {"factors": ["game.prior", "dynamics.name", "num_trials", "game.similarity.param"], "metrics": ["distortion"]},
        lambda row: f"{row[0]} | {row[1]} | {row[2]} | {float(row[3])}",
    ),
    "lightning/forest-cover": (
        "folders:lightning:lightning/forest-cover/lightning_logs",
        {"factors": ["continuous_cols.length"], "metrics": ["valid_accuracy"]}, joined,
    ),
    "hf/values-detection:last": (
        "folders:huggingface:hf/values-detection/results",
        {"factors": ["folder"], "metrics": {"val_f1": "eval_f1-score.avg-f1-score"}}, joined,
    ),
    "hf/values-detection:best": (
        "folders:huggingface:hf/values-detection/results",
        {"factors": ["folder"], "metrics": {"val_f1": "eval_f1-score.avg-f1-score"}, "take": "best"}, joined,
    ),
    "ultralytics/hemorrhage": (
        "folders:ultralytics:ultralytics/hemorrhage/runs/detect",
        {"factors": ["folder"], "metrics": {"val_map": "metrics/mAP50-95(B)"}}, joined,
    ),
}  # fmt: skip


def arranged(source: str, keys: Mapping[str, Any]) -> Arranged:
    stated = ImportKeys.model_validate({"from": source, **keys})
    runs = address.read(source, SETS, "import.from")
    numbers.refuse_summaries(runs)
    first = metrics.stated_metrics(stated.metrics, "import.metrics")[0][0].number
    return arrange.arrange(runs, stated, "import", (first, False) if stated.take == "best" else None)


def values(rows: Arranged, name: Name) -> dict[str, list[float]]:
    """Name of a row -> its first number in each replicate."""
    by_row: dict[str, list[float]] = {}
    for trial in rows.trials:
        first = trial.numbers.get(rows.metrics[0].number)
        by_row.setdefault(name(rows.rows[trial.row - 1]), []).extend([] if first is None else [first])
    return by_row


@pytest.mark.parametrize("key", EXPECTED)
def test_rows_have_the_expected_runs_means_and_deviations(key: str):
    """Computed with pandas alone."""
    source, keys, name = EXPECTED[key]
    expected = json.loads((SETS / "EXPECTED.json").read_text())[key]["rows"]
    by_row = values(arranged(source, keys), name)
    assert {row: len(v) for row, v in by_row.items() if v} == {row: e["n"] for row, e in expected.items() if e["n"]}
    for row, facts in expected.items():
        if facts["n"]:
            assert np.mean(by_row[row]) == pytest.approx(facts["mean"], rel=1e-6, abs=1e-9)
        if facts["n"] > 1:
            assert np.std(by_row[row], ddof=1) == pytest.approx(facts["sd"], rel=1e-5, abs=1e-9)


def test_exact_copies_count_once_and_a_changed_model_is_named():
    """The retrieval study was run up to three times with the same numbers, and its base model was replaced."""
    keys = {"factors": ["config", "top_k"], "where": {"n_samples": 500},
            "metrics": {"test_f1": "metrics.overall.f1|qa_metrics.overall.f1"}}  # fmt: skip
    source = "json:per-example/finqa-rag/results/metrics/*_metrics_*.json"
    rows = arranged(source, keys)
    assert any("6 runs are exact copies" in note for note in rows.notes)
    assert {"model"} <= rows.confounded.keys()
    expected = json.loads((SETS / "EXPECTED.json").read_text())["per-example/finqa-rag:f1"]["rows"]
    whole = arranged(source, {**keys, "factors": ["config", "model", "top_k"]})
    assert {row: np.mean(v) for row, v in values(whole, with_floats).items()} == pytest.approx(
        {row: e["mean"] for row, e in expected.items()}
    )


def test_a_repeated_run_with_another_result_is_an_error():
    """A person states which of two results of one run counts: with duplicates = "error", the run is an error."""
    source, keys, _ = EXPECTED["json-runs/chestx6"]
    with pytest.raises(AblateError, match=r"row 10, seed 123: resnet50_pretrained_10pct_seed123\(1\)\.json, resnet50"):
        arranged(source, {**keys, "duplicates": "error"})


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("results/sweep_results.csv", r"has summaries of runs \(prec_mean, prec_std\) and no runs"),
        ("results/sweep_results_2.csv", "its numbers are the same in all lines"),
        ("sweeps/per_query_metrics_example.csv", "has a header and no line"),
        ("sweeps/sweep_results_coarse.csv", "has summaries of runs"),
        ("sweeps/sweep_results_fine.csv", "has a header and no line"),
    ],
)
def test_summaries_and_empty_files_are_refused(source: str, message: str):
    """No table can be computed from a mean and a deviation without n."""
    with pytest.raises(AblateError, match=message):
        arranged(f"tidy/recsys-weights-aggregated/{source}", {"factors": ["w_sbert"], "metrics": ["prec_mean"]})


def test_factors_that_stand_in_names_are_read_by_a_pattern():
    """Other settings that vary are named; a run that does not match is left out with a note."""
    rows = arranged(
        "folders:ray:ray/rllib-workers/ray_results",
        {"pattern": r"(?P<model>model\d+)_(?P<gpu>gpu\d+|both_gpus)_(?P<affinity>.*)_\d+_workers",
         "factors": ["model", "gpu", "affinity"], "metrics": ["time_total_s"]},
    )  # fmt: skip
    assert (len(rows.rows), len(rows.trials)) == (18, 18)
    assert {"params.num_gpus", "params.num_gpus_per_worker"} <= rows.confounded.keys()
    assert any("model4_2_iters" in note for note in rows.notes)


def test_pruned_trials_have_no_result():
    """The last intermediate value of a pruned trial is no value of the study."""
    rows = arranged("optuna:optuna/rvfl-db/optuna.db/study_mlp", {"factors": ["activation"], "metrics": ["value"]})
    assert {s: sum(t.status == s for t in rows.trials) for s in ("done", "pruned")} == {"done": 13, "pruned": 37}
    assert all(not trial.numbers for trial in rows.trials if trial.status == "pruned")
