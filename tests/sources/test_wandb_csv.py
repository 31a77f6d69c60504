"""W&B's CSV exports as a source of results."""

import csv
import math
from pathlib import Path

import pytest

from ablation.errors import AblateError
from ablation.sources.readers import wandb_csv

pytestmark = pytest.mark.unit


def export(path: Path, header: list[str], *lines: list[object]) -> str:
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *lines])
    return str(path)


def script(path: Path, *runs: tuple[str, str]) -> str:
    """Write what the documented script with the public API writes."""
    return export(path, ["", "summary", "config", "name"], *([i, s, c, f"run-{i}"] for i, (s, c) in enumerate(runs)))


def test_python_dicts_and_json_are_read(tmp_path: Path):
    """Settings are `params.`, results keep their names, the runtime is the duration, and the source tells."""
    path = script(
        tmp_path / "p.csv",
        ("{'acc': 0.5, '_runtime': 12.5, '_wandb': {'runtime': 12}, '_step': 3}", "{'lr': 0.1, 'layers': [1, 2]}"),
        ('{"acc": 0.75, "on": true}', '{"lr": 0.1, "opt": {"name": "adam", "eps": null}, "_wandb": {}}'),
    )
    runs = wandb_csv.read(f"wandb:{path}")
    frame = runs.frame
    assert runs.separates_settings
    assert list(frame["acc"]) == [0.5, 0.75]
    assert list(frame["params.lr"]) == [0.1, 0.1]
    assert frame["params.layers"][0] == (1, 2)
    assert frame["params.opt.name"][1] == "adam"
    assert frame["duration"][0] == 12.5
    assert list(frame["name"]) == ["run-0", "run-1"]
    assert list(frame["status"]) == ["done", "done"]
    assert not [name for name in frame if "_wandb" in name or "Unnamed" in name]


def test_nan_inf_and_calls_in_python_text(tmp_path: Path):
    """Names of numbers are numbers; a call is kept as text and never made."""
    config = "{'device': device(type='cuda'), 'dtype': torch.float32, 'x': __import__('os').getcwd(), 's': {1}}"
    path = script(tmp_path / "p.csv", ("{'a': nan, 'b': -inf, 'c': 'NaN', 'd': 1}", config))
    frame = wandb_csv.read(path).frame
    assert math.isnan(frame["a"][0])
    assert frame["b"][0] == -math.inf
    assert math.isnan(frame["c"][0])
    assert frame["params.device"][0] == "device(type='cuda')"
    assert frame["params.x"][0] == "__import__('os').getcwd()"
    assert frame["params.s"][0] == (1,)


@pytest.mark.parametrize("summary", ["{'_wandb': {'runtime': 3}}", "{}", "", "{'_runtime': 3, '_step': 0}"])
def test_an_empty_summary_is_a_failed_run(tmp_path: Path, summary: str):
    """A run that crashed after seconds stays, as failed, and its settings too."""
    frame = wandb_csv.read(script(tmp_path / "p.csv", (summary, "{'lr': 1}"), ("{'acc': 1}", "{'lr': 1}"))).frame
    assert list(frame["status"]) == ["failed", "done"]
    assert frame["reason"][0] == "no results"
    assert list(frame["params.lr"]) == [1, 1]


@pytest.mark.parametrize("config", ["{'a': ", "[1]", "(" * 5000, "{'a': lambda: 1}"])
def test_a_cell_that_is_no_dict_is_noted(tmp_path: Path, config: str):
    """The run stays, as failed; the note names the run and the column."""
    runs = wandb_csv.read(script(tmp_path / "p.csv", ("{'acc': 1}", "{'lr': 1}"), ("{'acc': 1}", config)))
    assert list(runs.frame["status"]) == ["done", "failed"]
    assert any("p.csv, run 2: config is" in note for note in runs.notes)


def test_media_and_the_raw_form_of_a_config(tmp_path: Path):
    """Pictures of a summary are left out; {"value": ..., "desc": ...} is its value."""
    config = '{"lr": {"value": 0.1, "desc": null}, "wandb_version": {"value": 1}}'
    frame = wandb_csv.read(script(tmp_path / "p.csv", ('{"img": {"_type": "image-file"}, "acc": 1}', config))).frame
    assert frame["params.lr"][0] == 0.1
    assert not [name for name in frame if name.startswith("img")]


def test_the_export_of_a_page(tmp_path: Path):
    """States are translated; columns may be settings or results, which is noted; own names are not overwritten."""
    header = ["Name", "State", "Notes", "User", "Created", "Runtime", "lr", "use_aug", "acc", "status"]
    states = ["finished", "crashed", "failed", "killed", "running", "finished"]
    lines = [["r", state, "-", "me", "2024-01-01T00:00:00.000Z", 60, 0.1, "true", 0.5, "x"] for state in states]
    lines[-1][6:] = ["", "", "", "x"]
    runs = wandb_csv.read(export(tmp_path / "p.csv", header, *lines))
    frame = runs.frame
    assert not runs.separates_settings
    assert list(frame["status"]) == ["done", "failed", "failed", "killed", "running", "failed"]
    assert frame["reason"][5] == "no results"
    assert (frame["duration"][0], frame["started"][0]) == (60.0, "2024-01-01T00:00:00.000Z")
    assert (frame["acc"][0], frame["use_aug"][0], frame["tags.User"][0]) == (0.5, True, "me")
    assert frame["source.status"][0] == "x"
    assert any("does not say which columns are settings" in note for note in runs.notes)


@pytest.mark.parametrize(("text", "expected"), [(60, 60.0), ("1h 2m 3s", 3723.0), ("2d 1h", 176400.0), ("soon", None)])
def test_durations(text: object, expected: float | None):
    """Seconds are a number or the page's text."""
    assert wandb_csv.seconds(text) == expected


def test_another_csv_is_refused(tmp_path: Path):
    """A table without W&B's columns is refused with the columns that are read."""
    with pytest.raises(AblateError, match="no export of W&B; its columns are summary, config and name"):
        wandb_csv.read(export(tmp_path / "p.csv", ["a", "b"], [1, 2]))
    with pytest.raises(AblateError, match="no run in it"):
        wandb_csv.read(export(tmp_path / "q.csv", ["Name", "State"]))
    with pytest.raises(AblateError, match=r"r\.csv: not valid CSV"):
        wandb_csv.read(export(tmp_path / "r.csv", ["Name", "State"], ["a", "b"], ["a", "b", "c"]))


def test_several_exports_name_their_file(tmp_path: Path):
    """A folder of exports is read with the file of each run."""
    script(tmp_path / "a.csv", ("{'acc': 1}", "{}"))
    script(tmp_path / "b.csv", ("{'acc': 0}", "{}"))
    assert list(wandb_csv.read(str(tmp_path)).frame["file"]) == ["a.csv", "b.csv"]
