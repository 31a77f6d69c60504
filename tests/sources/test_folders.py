"""Folders of configuration and metrics as a source of results: a look-alike of each tool's traps."""

import json
import math
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablation.errors import AblateError
from ablation.sources.readers import folders
from ablation.sources.readers.presets import PRESETS
from ablation.sources.readers.presets.hydra import override_value
from ablation.sources.runs import Runs

pytestmark = pytest.mark.unit


def write(root: Path, files: dict[str, object]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))


def read(root: Path, preset: str, files: dict[str, object]) -> Runs:
    """Write the files and read them; the preset is detected too."""
    write(root, files)
    assert folders.detect(root) == preset
    runs = folders.read(f"folders:{preset}:{root}")
    assert (runs.kind, runs.separates_settings) == (preset, True)
    assert not runs.metrics or not set(runs.metrics) & set(runs.frame)
    return runs


def points(runs: Runs, metric: str, run: int = 0) -> list[tuple[float, float]]:
    curves: Any = runs.curves
    chosen = curves[(curves["metric"] == metric) & (curves["run"] == run)]
    return list(zip(chosen["step"], chosen["value"], strict=True))


# Hydra


def test_hydra_reads_all_keys_and_overrides(tmp_path: Path):
    """Keys that are defaults come from config.yaml, groups from the overrides; the multirun file is no job."""
    runs = read(tmp_path, "hydra", {
        "multirun.yaml": "hydra: {}\n",
        "0/.hydra/config.yaml": "model: {name: cnn, lr: 1e-3}\nprior: uniform\nlayers: [1, 2]\n",
        "0/.hydra/overrides.yaml": "- model=cnn\n",
        "0/results.csv": "acc,loss\n0.5,1\n",
        "1/.hydra/config.yaml": "model: {name: mlp, lr: 0.1}\nprior: random\nlayers: []\n",
        "1/.hydra/overrides.yaml": "- model=mlp\n- +new@pkg=[1,2]\n- prior='random'\n- ~gone\n",
        "1/results.csv": "acc,loss\n0.75,2\n",
    })  # fmt: skip
    frame = runs.frame
    assert list(frame["folder"]) == ["0", "1"]
    assert list(frame["params.model"]) == ["cnn", "mlp"]
    assert list(frame["params.model.lr"]) == [0.001, 0.1]
    assert list(frame["params.prior"]) == ["uniform", "random"]
    assert list(frame["params.new"]) == [None, (1, 2)]
    assert list(frame["params.layers"]) == [(1, 2), ()]
    assert list(frame["acc"]) == [0.5, 0.75]
    assert list(frame["status"]) == ["done", "done"]


def test_hydra_reads_the_chosen_option_of_each_group(tmp_path: Path):
    """Hydra's own file names the options of groups that no override names, and nothing else of it is a setting."""
    choices = "hydra:\n  job: {num: 3}\n  runtime:\n    choices: {model: cnn, hydra/launcher: basic}\n"
    files = {".hydra/config.yaml": "a: 1\n", ".hydra/hydra.yaml": choices, "metrics.json": {"acc": 1}}
    frame = read(tmp_path, "hydra", files).frame
    assert sorted(frame) == ["acc", "folder", "params.a", "params.model", "status"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("'random'", "random"), ('"0.5"', "0.5"), ("0.5", 0.5), ("True", True), ("null", None), ("[1,2]", (1, 2)),
     ("{a: 1}", "{a: 1}"), ("a: b: c", "a: b: c"), ("", None)],
)  # fmt: skip
def test_values_of_overrides(text: str, expected: object):
    """Quotes make a text; what is no value of YAML is text too."""
    assert override_value(text) == expected


def test_hydra_lines_without_a_step_are_runs(tmp_path: Path):
    """Trials that are unnumbered lines of one file are runs of their own, with the position of the line."""
    files = {"j/.hydra/config.yaml": "seed: 42\n", "j/points.csv": "rate,status\n1.5,a\n-4e-16,b\n"}
    frame = read(tmp_path, "hydra", files).frame
    assert list(frame["line"]) == [1, 2]
    assert list(frame["rate"]) == [1.5, -4e-16]
    assert list(frame["params.seed"]) == [42, 42]
    assert list(frame["status"]) == ["done", "done"]
    assert list(frame["source.status"]) == ["a", "b"]  # a column named like our own


def test_hydra_lines_with_a_step_are_a_course(tmp_path: Path):
    """A column epoch makes the lines one run."""
    runs = read(tmp_path, "hydra", {".hydra/config.yaml": "a: 1\n", "log.csv": "Epoch;acc\n1;0.5\n2;0.75\n"})
    assert points(runs, "acc") == [(1, 0.5), (2, 0.75)]


def test_hydra_chooses_one_file_for_all_jobs(tmp_path: Path):
    """A job without the file of the others has failed, though it has another file; the choice is noted."""
    runs = read(tmp_path, "hydra", {
        "0/.hydra/config.yaml": "a: 0\n", "0/metrics_7.json": {"acc": 1}, "0/data.csv": "x\n1\n", "0/args.json": {},
        "1/.hydra/config.yaml": "a: 1\n", "1/data.csv": "x\n1\n",
        "2/.hydra/config.yaml": "a: 2\n", "2/sub/.hydra/config.yaml": "a: 3\n", "2/sub/metrics_8.json": {"acc": 0},
    })  # fmt: skip
    frame = runs.frame
    assert list(frame["folder"]) == ["0", "1", "2", "2/sub"]
    assert list(frame["status"]) == ["done", "failed", "failed", "done"]
    assert list(frame["reason"]) == [None, "no results", "no results", None]
    assert runs.notes == ["Metrics are read from metrics_*.json, not from: data.csv"]


# Lightning


def test_lightning_joins_lines_of_train_and_validation(tmp_path: Path):
    """Empty cells are no points, and nan is one: a loss that diverged is not hidden by the value before."""
    csv = "epoch,step,train_loss,valid_acc\n0,49,1.0,\n0,99,,0.5\n1,149,nan,\n1,199,,0.75\n"
    runs = read(tmp_path, "lightning", {"l/version_0/hparams.yaml": "lr: 1.0e-3\n", "l/version_0/metrics.csv": csv})
    assert points(runs, "valid_acc") == [(99, 0.5), (199, 0.75)]
    assert math.isnan(points(runs, "train_loss")[-1][1])
    assert runs.metrics == ["train_loss", "valid_acc"]


def test_lightning_states_the_length_of_a_list(tmp_path: Path):
    """The factor may be how long a list is; versions are in natural order."""
    files = {f"version_{n}/hparams.yaml": f"cols: {list('abcdefghijk'[:n])}\n" for n in (2, 10)}
    frame = read(tmp_path, "lightning", {**files, "version_2/metrics.csv": "step,acc\n0,1\n"}).frame
    assert list(frame["params.cols.length"]) == [2, 10]
    assert frame["params.cols"][0] == ("a", "b")


def test_lightning_header_only_is_failed(tmp_path: Path):
    """A crash before the first line leaves a header, or no file at all."""
    frame = read(tmp_path, "lightning", {
        "version_0/hparams.yaml": "{}\n", "version_0/metrics.csv": "epoch,step,loss\n",
        "version_1/hparams.yaml": "", "version_2/hparams.yaml": "a: 1", "version_2/metrics.csv": "",
    }).frame  # fmt: skip
    assert list(frame["status"]) == ["failed"] * 3
    assert list(frame["reason"]) == ["no results"] * 3


def test_tags_of_python_build_no_object(tmp_path: Path):
    """A tuple is a list, an object's mapping is plain, a class is its name, and a call is not made."""
    mark = tmp_path / "mark"
    yaml = (
        "t: !!python/tuple [1, 2]\nn: !!python/object:argparse.Namespace {lr: 0.5}\nc: !!python/name:torch.nn.ReLU ''\n"
        f"x: !!python/object/apply:os.mkdir ['{mark}']\nd: 2024-01-01\nb: &b {{k: 1}}\nm: {{<<: *b, j: 2}}\n"
    )
    frame = read(tmp_path, "lightning", {"v/hparams.yaml": yaml, "v/metrics.csv": "step,a\n0,1\n"}).frame
    line = frame.iloc[0]
    assert (line["params.t"], line["params.n.lr"], line["params.c"]) == ((1, 2), 0.5, "torch.nn.ReLU")
    assert (line["params.x"], line["params.d"]) == ((str(mark),), "2024-01-01")
    assert (line["params.m.k"], line["params.m.j"]) == (1, 2)
    assert not mark.exists()


LAUGHS = "a0: &a0 {x: 1, y: 1}\n" + "".join(
    f"a{i}: &a{i} {{{', '.join(f'k{j}: *a{i - 1}' for j in range(9))}}}\n" for i in range(1, 9)
)
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}\n" for i in range(1, 40))


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        (LAUGHS, "more than 2000000 values"), (MERGES, "more than 2000000 values"),
        ("[" * 150 + "]" * 150, "nested deeper than 100 levels"), ("[" * 5000, "not valid YAML|nested deeper"),
        ("- " * 5000 + "1", "nested deeper than 100 levels"),
        ("a: &a [*a]", "nested deeper than 100 levels"), ("a: [", "not valid YAML (line "),
        ("- 1\n", "no mapping of names and values"), ("a: \x00", "not valid YAML"), ("? [1]\n: 2", "not valid YAML"),
    ],
    ids=range(10),
)  # fmt: skip
def test_hostile_yaml_fails_its_run_in_one_line(tmp_path: Path, yaml: str, message: str):
    """A bomb of aliases, nesting or a syntax error fails the run, with its file and the reason; others are read."""
    runs = read(tmp_path, "lightning", {
        "v0/hparams.yaml": yaml, "v0/metrics.csv": "step,a\n0,1\n",
        "v1/hparams.yaml": "lr: 1\n", "v1/metrics.csv": "step,a\n0,1\n",
    })  # fmt: skip
    assert list(runs.frame["status"]) == ["failed", "done"]
    assert any(f"v0/hparams.yaml: {one}" in runs.frame["reason"][0] for one in message.split("|"))
    assert runs.notes == [f"Not read: {runs.frame['reason'][0]}"]


# Hugging Face

STATE = {"max_steps": 20, "num_train_epochs": 2, "train_batch_size": 8, "best_metric": 0.75, "global_step": 20}


def log(*values: float) -> list[dict[str, object]]:
    return [{"epoch": i, "step": 10 * i, "eval_f1-score": {"avg: all": v}} for i, v in enumerate(values, start=1)]


def test_huggingface_flattens_nested_metrics(tmp_path: Path):
    """A metric that is a dict has dotted names; settings are settings, and the trainer's best value is a note."""
    state = STATE | {"log_history": [{"loss": 0.5, "step": 10, "epoch": 1}, *log(0.75, 0.5)]}
    runs = read(tmp_path, "huggingface", {
        "arm/trainer_state.json": state, "arm/config.json": {"model_type": "bert"},
        "arm/all_results.json": {"eval_f1": 0.75, "epoch": 2},
        "arm/checkpoint-10/trainer_state.json": state, "arm/training_args.bin": "no pickle is read",
    })  # fmt: skip
    line = runs.frame.iloc[0]
    assert len(runs.frame) == 1  # a checkpoint is no run of its own
    assert points(runs, "eval_f1-score.avg: all") == [(10, 0.75), (20, 0.5)]
    assert (line["params.max_steps"], line["params.train_batch_size"], line["params.model_type"]) == (20, 8, "bert")
    assert (line["tags.best_metric"], line["tags.global_step"]) == (0.75, 20)
    assert line["all_results.eval_f1"] == 0.75
    assert "arm/training_args.bin" not in runs.files


def test_huggingface_takes_the_newest_checkpoint(tmp_path: Path):
    """An arm that has only checkpoints is one run, of checkpoint-1000 and not checkpoint-900; a search sets values."""
    files = {
        f"a/checkpoint-{n}/trainer_state.json": {"log_history": log(n), "trial_params": {"lr": n}} for n in (900, 1000)
    }
    runs = read(tmp_path, "huggingface", files)
    assert list(runs.frame["folder"]) == ["a"]
    assert runs.frame["params.lr"][0] == 1000
    assert "newest checkpoint: a/checkpoint-1000" in runs.notes[0]


def test_huggingface_notes_the_evaluation_of_the_best_model(tmp_path: Path):
    """A last step with two different evaluations is noted: the second may be of another step's weights."""
    history = [*log(0.75, 0.5), {"step": 20, "eval_f1-score": {"avg: all": 0.75}}]
    runs = read(tmp_path, "huggingface", {"arm/trainer_state.json": STATE | {"log_history": history}})
    assert runs.notes == ["The last evaluation repeats a step with another result (the best model?): arm"]


@pytest.mark.parametrize("history", [[], None, 3, [1]])
def test_huggingface_without_a_log_is_failed(tmp_path: Path, history: object):
    """A state that was saved before the first entry has no results."""
    frame = read(tmp_path, "huggingface", {"arm/trainer_state.json": STATE | {"log_history": history}}).frame
    assert (frame["status"][0], frame["reason"][0]) == ("failed", "no results")


# Ultralytics


def test_ultralytics_strips_columns(tmp_path: Path):
    """Leading blanks of older versions are no part of a name; a folder with args.yaml alone has failed."""
    csv = "                  epoch,   metrics/mAP50(B),  lr/pg0\n   1,   0.5,   0.01\n   2,   0.25,   0.02\n"
    runs = read(tmp_path, "ultralytics", {
        "train/args.yaml": "imgsz: 640\nsave_dir: runs\n", "train/results.csv": csv,
        "train2/args.yaml": "imgsz: 960\n", "train3/args.yaml": "imgsz: 320\n", "train3/results.csv": "  epoch, a\n",
    })  # fmt: skip
    assert points(runs, "metrics/mAP50(B)") == [(1, 0.5), (2, 0.25)]
    assert list(runs.frame["params.imgsz"]) == [640, 960, 320]
    assert list(runs.frame["status"]) == ["done", "failed", "failed"]


# Ray Tune


def test_ray_keeps_the_last_line_of_an_iteration(tmp_path: Path):
    """A restart appends iterations again; lists of history are left out, settings in columns are no metrics."""
    csv = (
        "training_iteration,time_total_s,config/lr,hist_stats/r,date\n1,10,0.1,[],d\n2,20,0.1,[],d\n3,30,0.1,[],d\n"
        '2,25,0.1,"[1,2]",e\n'
    )
    runs = read(tmp_path, "ray", {"t/params.json": {"lr": 0.1, "env": None}, "t/progress.csv": csv})
    assert points(runs, "time_total_s") == [(1, 10), (2, 25), (3, 30)]
    assert runs.metrics == ["time_total_s"]
    assert runs.frame["params.lr"][0] == 0.1
    assert runs.notes == ["Iterations that a restart repeats are read from their last line: t"]


def test_ray_reads_json_lines_with_the_names_of_the_table(tmp_path: Path):
    """A trial with result.json alone has the same names as one with progress.csv; its config is in the lines."""
    line = {"training_iteration": 1, "info": {"loss": 0.5}, "hist_stats": {"r": [1]}, "done": True, "pid": 3,
            "config": {"model": {"dim": 8}, "layers": [1]}}  # fmt: skip
    runs = read(tmp_path, "ray", {
        "a/result.json": json.dumps(line) + '\n{"training_iteration": 2, "in',
        "b/params.json": {"model": {"dim": 4}}, "b/progress.csv": "training_iteration,info/loss\n1,0.25\n",
    })  # fmt: skip
    assert runs.metrics == ["info/loss"]
    assert list(runs.frame["params.model.dim"]) == [8, 4]
    assert runs.frame["params.layers"][0] == (1,)
    assert any("a/result.json:2" in note for note in runs.notes)


def test_ray_with_an_error_is_failed(tmp_path: Path):
    """A trial with a file of an error has failed, with its last line; one with parameters alone has no results."""
    csv = "training_iteration,acc\n1,0.5\n"
    frame = read(tmp_path, "ray", {
        "a/params.json": {}, "a/progress.csv": csv, "a/error.txt": "Traceback\n  ...\nOutOfMemory: 8 GB\n",
        "b/params.json": {},
    }).frame  # fmt: skip
    assert list(frame["status"]) == ["failed", "failed"]
    assert list(frame["reason"]) == ["OutOfMemory: 8 GB", "no results"]


# sacred


def sacred(status: str, **more: object) -> dict[str, object]:
    times = {"start_time": "2024-01-01T00:00:00", "stop_time": "2024-01-01T00:01:30"}
    return {"status": status, "experiment": {"name": "e"}, "result": None, **times, **more}


def test_sacred_reads_states_and_metrics(tmp_path: Path):
    """COMPLETED, FAILED, INTERRUPTED and RUNNING are translated; a failure has the last line of its trace."""
    metrics = {
        "loss": {"steps": [0, 10], "values": [1.0, {"py/object": "numpy.float64", "value": 0.5}], "timestamps": []}
    }
    trace = ["Traceback\n", "ValueError: no data\n"]
    states = [sacred("COMPLETED"), sacred("FAILED", fail_trace=trace), sacred("INTERRUPTED"), sacred("RUNNING")]
    files: dict[str, object] = {}
    for number, state in enumerate(states, start=1):
        config = {"seed": number, "size": {"py/tuple": [1, 2]}}
        files |= {f"{number}/run.json": state, f"{number}/config.json": config, f"{number}/metrics.json": metrics}
    runs = read(tmp_path, "sacred", {**files, "_sources/train.py": "", "5/run.json": sacred("COMPLETED")})
    frame = runs.frame
    assert list(frame["status"]) == ["done", "failed", "killed", "running", "failed"]
    assert list(frame["reason"]) == [None, "ValueError: no data", None, None, "no results"]
    assert list(frame["run_id"]) == ["1", "2", "3", "4", "5"]
    assert frame["params.size"][0] == (1, 2)
    assert frame["duration"][0] == 90
    assert points(runs, "loss", 3) == [(0, 1.0), (10, 0.5)]


def test_a_result_of_sacred_is_a_field(tmp_path: Path):
    """The value that the main function returned is a result, of a run without metrics too."""
    frame = read(tmp_path, "sacred", {
        "1/run.json": sacred("COMPLETED", result=0.5), "2/run.json": sacred("COMPLETED", result={"acc": 1}),
    }).frame  # fmt: skip
    assert frame["result"][0] == 0.5
    assert frame["result.acc"][1] == 1
    assert list(frame["status"]) == ["done", "done"]


# All presets


def test_broken_metrics_fail_their_run(tmp_path: Path):
    """A ragged CSV is no result; the run stays with its settings."""
    frame = read(tmp_path, "ultralytics", {"a/args.yaml": "lr: 1\n", "a/results.csv": "epoch,a\n1,2\n1,2,3\n"}).frame
    assert frame["params.lr"][0] == 1
    assert frame["reason"][0].startswith("a/results.csv: not valid CSV")


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path):
    """A run behind a link is not read; a link to a run of the same folder is no second run."""
    write(tmp_path, {"out/v/hparams.yaml": "secret: 1\n", "in/v/hparams.yaml": "a: 1\n", "in/v/metrics.csv": "a\n1\n"})
    os.symlink(tmp_path / "out/v", tmp_path / "in/w")
    os.symlink(tmp_path / "out/v/hparams.yaml", tmp_path / "in/hparams.yaml")
    os.symlink(tmp_path / "in/v", tmp_path / "in/latest")
    runs = folders.read(f"folders:lightning:{tmp_path}/in")
    assert list(runs.frame["folder"]) == ["v"]
    assert "params.secret" not in runs.frame
    assert sorted(runs.notes) == ["Links that lead out of the folder are not followed: w, hparams.yaml"]


def test_the_source_is_not_changed(tmp_path: Path):
    """No file of a source is written, and none is added."""
    write(tmp_path, {"v/hparams.yaml": "a: 1\n", "v/metrics.csv": "step,a\n0,1\n"})
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    folders.read(f"folders:{tmp_path}")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("folders:hydra:{0}", r"no folder of a run of hydra.*those of the preset lightning"),
        ("folders:keras:{0}", "no such folder; allowed: folders:PRESET:PATH with hydra, "),
        ("folders:{0}/empty", "no files of a preset"),
        ("folders:hydra:{0}/none", "no such folder"),
    ],
)
def test_a_wrong_address_is_one_line(tmp_path: Path, address: str, message: str):
    """An unknown preset, or a folder without its files, is refused with what is allowed."""
    write(tmp_path, {"v/hparams.yaml": "a: 1\n"})
    (tmp_path / "empty").mkdir()
    with pytest.raises(AblateError, match=message):
        folders.read(address.format(tmp_path))


FILES = {
    "hydra": [".hydra/config.yaml", ".hydra/overrides.yaml", ".hydra/hydra.yaml", "metrics.json"],
    "sacred": ["run.json", "config.json", "metrics.json"],
    "huggingface": ["trainer_state.json", "config.json", "all_results.json"],
    "ultralytics": ["args.yaml"],
    "ray": ["params.json", "result.json"],
    "lightning": ["hparams.yaml", "config.yaml"],
}
NAMES = st.sampled_from(
    ["a", "hydra", "runtime", "choices", "status", "log_history", "step", "steps", "values", "config", "result",
     "fail_trace", "experiment", "training_iteration", "py/tuple", "py/object", "value", "trial_params", "<<"]
)  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "FAILED", "nan", 10**400])
VALUES = st.recursive(LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(NAMES, v, max_size=4), max_leaves=12)


@pytest.mark.parametrize("preset", sorted(PRESETS))
@given(data=st.data())
def test_any_content_is_a_run(preset: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory):
    """A run with files of any JSON stays one line with a status, and its cells are plain values."""
    root = tmp_path_factory.mktemp("any")
    write(root, {f"r/{name}": json.dumps(data.draw(VALUES)) for name in FILES[preset]})
    runs = folders.read(f"folders:{preset}:{root}")
    assert runs.frame["status"].isin(["done", "failed", "killed", "running"]).all()
    for value in runs.frame.to_numpy(dtype=object).ravel():
        assert isinstance(value, bool | int | float | str | tuple) or pd.isna(value)
