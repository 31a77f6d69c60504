"""`ablate table --examples`: one long file of test examples, from which other programs redo the statistics."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import synthetic
from scipy import stats
from synthetic import sealed

from ablation import cli
from ablation.errors import AblateError
from ablation.report import examples_csv
from ablation.store.examples import Examples
from ablation.store.workspace import Workspace
from ablation.study import study_file
from ablation.study.grid import Grid, Trial

pytestmark = pytest.mark.unit

FACTORIAL = "[factorial]\ndropout = [0.0, 0.25]\nepochs = [1, 3]\n"
ACCURACY = {row: (0.95, 0.70 + 0.02 * row, 0.70 + 0.04 * row) for row in range(1, 5)}
TWO = {"support": (40, 40), "classes": ("=a", "b")}


def grid(folder: Path, **more: Any) -> Grid:
    (folder / "g.toml").write_text(FACTORIAL)
    return study_file.read(str(folder / "g.toml")).model_copy(update=more)


def table(folder: Path, *arguments: object) -> int:
    options = ["--grid", folder / "g.toml", "--workspace", folder / "runs", *arguments]
    return cli.run(["table", *map(str, options)])


def test_a_p_value_of_the_contrasts_is_recomputed_from_the_file(tmp_path: Path):
    """Exact McNemar by scipy's binomial test, from the column of correct examples alone; and the accuracy."""
    sealed(tmp_path / "runs", synthetic.study(tmp_path / "runs", grid(tmp_path), ACCURACY, **TWO))
    assert table(tmp_path, "--examples", tmp_path / "examples.csv") == 0
    examples = pd.read_csv(tmp_path / "examples.csv")
    assert list(examples) == [
        "study", "row", "seed", "replicate", "id", "label", "predicted", "accuracy", "micro_f1", "loss",
    ]  # fmt: skip
    assert len(examples) == 4 * 80
    correct = examples.pivot(index="id", columns="row", values="accuracy")
    contrasts = pd.read_csv(tmp_path / "runs/g/contrasts.csv")
    for contrast in contrasts.itertuples():
        one, other = correct[contrast.from_row], correct[contrast.to_row]
        only_one, only_other = int(((one == 1) & (other == 0)).sum()), int(((one == 0) & (other == 1)).sum())
        assert (only_one, only_other) == (contrast.only_first_right, contrast.only_second_right)
        assert contrast.p == pytest.approx(stats.binomtest(only_one, only_one + only_other).pvalue)
    shown = pd.read_csv(tmp_path / "runs/g/table.csv").set_index("row").test_accuracy
    assert correct.mean().to_dict() == pytest.approx(shown.to_dict())
    assert set(examples.label) == {"'=a", "b"}  # as in all CSV files, no cell is a formula
    assert ((examples.label == examples.predicted) == examples.accuracy).all()


def test_the_file_is_no_table_to_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """One line says so; each of its lines had been a cell that does not agree."""
    sealed(tmp_path / "runs", synthetic.study(tmp_path / "runs", grid(tmp_path), ACCURACY, **TWO))
    assert table(tmp_path, "--examples", tmp_path / "examples.csv") == 0
    capsys.readouterr()
    assert cli.run(["verify", str(tmp_path / "examples.csv"), "--workspace", str(tmp_path / "runs")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "has a line for each example; verify takes tables" in line


def test_the_file_of_an_unsealed_study_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """One line that says how the seal is reached; nothing is written and no test predictions are opened."""
    synthetic.study(tmp_path / "runs", grid(tmp_path), ACCURACY, **TWO)
    for path in (tmp_path / "runs").glob("trained/*/test-*.npz"):
        path.unlink()
    assert table(tmp_path, "--examples", tmp_path / "examples.csv") == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: study 'g': --examples: no selection is sealed yet, and test examples stay closed")
    assert not (tmp_path / "examples.csv").exists()


def test_replicates_are_marked(tmp_path: Path):
    """Replicates have a column of their own; the seeds of rows are those of the study."""
    study = grid(tmp_path).replicated(2)
    sealed(tmp_path / "runs", synthetic.study(tmp_path / "runs", study, ACCURACY, jitter=0.02, **TWO))
    examples_csv.write(Workspace(tmp_path / "runs"), "g", tmp_path / "examples.csv")
    examples = pd.read_csv(tmp_path / "examples.csv")
    runs = examples.drop_duplicates(["row", "seed"])
    of_rows = sorted(zip(runs.row[~runs.replicate], runs.seed[~runs.replicate], strict=True))
    assert of_rows == [(1, 0), (2, 0), (3, 0), (4, 0)]
    assert set(runs.row[runs.replicate]) == {study.reference}
    assert sorted(runs.seed[runs.replicate]) == [1, 2]


def errors(trial: Trial, split: str) -> Examples:
    rng = np.random.default_rng([trial.row, trial.seed])
    ids, groups = np.array([f"e{i}" for i in range(20)]), np.arange(20) // 4
    label = np.arange(20.0)
    return Examples({"id": ids, "label": label, "group": groups, "predicted": label + rng.normal(size=20)})


def test_numbers_have_their_ids_groups_and_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Two seeds: the t test over examples of contrasts.csv by scipy, from the column of the measure; in small pieces
    the file is the same."""
    record = synthetic.without_classes(
        synthetic.Numbers, grid(tmp_path, seeds=(0, 1), select_on="val_mae"), {"test": 20}
    )
    record.write(Workspace(tmp_path).study("g"))
    synthetic.stated(tmp_path, record, errors)
    monkeypatch.setattr(
        examples_csv.records, "need", lambda workspace, name: record
    )  # its measures are the class's own
    place = sealed(tmp_path, record)
    assert examples_csv.write(place, "g", tmp_path / "examples.csv") == 4 * 2 * 20
    examples = pd.read_csv(tmp_path / "examples.csv")
    assert list(examples) == ["study", "row", "seed", "replicate", "id", "label", "group", "predicted", "mae"]
    means = examples.pivot_table(index="id", columns="row", values="mae")
    from ablation.analysis import study_analysis  # noqa: PLC0415
    from ablation.analysis.selection import read  # noqa: PLC0415

    analysis = study_analysis.gather(place, record, study_analysis.collect(place, record), read(place, record)).analysis
    for contrast in analysis.contrasts:
        expected = stats.ttest_rel(means[contrast.pair.second], means[contrast.pair.first]).pvalue
        assert contrast.difference.p == pytest.approx(expected)
    monkeypatch.setattr(examples_csv, "CHUNK", 7)
    examples_csv.write(place, "g", tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "examples.csv").read_bytes()


def test_numbers_alone_have_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One line says so, and no half of a file stays."""
    record = synthetic.without_classes(synthetic.Scalars, grid(tmp_path, select_on="val_score"), {})
    synthetic.stated(tmp_path, record, lambda trial, split: Examples({}, {"score": float(trial.row)}))
    monkeypatch.setattr(examples_csv.records, "need", lambda workspace, name: record)
    place = sealed(tmp_path, record)
    with pytest.raises(AblateError, match="its trials have no test examples, only numbers"):
        examples_csv.write(place, "g", tmp_path / "examples.csv")
    assert not list(tmp_path.glob("*.csv")) + list(tmp_path.glob(".tmp-*"))
