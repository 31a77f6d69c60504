"""`--guess` proposes what the fields of a source are: of runs, steps, examples, replicates in columns, and names."""

import numpy as np
import pandas as pd
import pytest

from ablation.errors import AblateError
from ablation.sources import guess
from ablation.sources.guess_pattern import pattern_of
from ablation.sources.runs import Runs
from ablation.study.declared_factors import OWN_COLUMNS

pytestmark = pytest.mark.unit


def guessed(separates: bool = False, **columns: list[object]) -> guess.Guess:
    return guess.guess(Runs("x.csv", "csv", pd.DataFrame(columns), separates_settings=separates))


ARMS = ["a"] * 6 + ["b"] * 6


@pytest.mark.parametrize(
    ("columns", "example", "stated"),
    [
        ({"id": [*range(6)] * 2, "label": [0, 1, 2] * 4, "predicted": [0, 1, 1] * 4}, "id",
         {"label": "label", "predicted": "predicted"}),
        ({"question_id": [f"q{n}" for n in range(6)] * 2, "gold": ["x", "y"] * 6, "prediction": ["x"] * 12},
         "question_id", {"label": "gold", "predicted": "prediction"}),
        ({"qid": [*range(6)] * 2, "is_correct": [True, False] * 6}, "qid", {}),
    ],
)  # fmt: skip
def test_lines_that_are_examples_are_proposed_as_examples(columns: dict, example: str, stated: dict):
    """Columns of examples are proposed as examples, not as metrics or factors of runs."""
    proposed = guessed(model=ARMS, **columns)
    assert proposed.examples
    assert (proposed.examples.example, proposed.examples.columns) == (example, stated)
    assert proposed.factors == {"model": "model"}
    assert proposed.metrics == ({} if stated else {"is_correct": "is_correct"})


def test_whole_numbers_that_few_examples_differ_in_are_classes():
    """The task is stated, because label and prediction may be amounts."""
    few = guessed(model=ARMS, id=[*range(6)] * 2, label=[0, 1, 2] * 4, predicted=[0, 1, 1] * 4).examples
    assert few
    assert few.task == "classes"


def test_a_field_of_the_examples_is_no_factor():
    """The topic of a question is a group; its length is the question's own."""
    proposed = guessed(model=ARMS, qid=[*range(6)] * 2, ok=[0, 1] * 6, topic=["t", "t", "u"] * 4, length=[3, 4, 9] * 4)
    assert proposed.examples
    assert proposed.examples.group == "topic"
    assert proposed.factors == {"model": "model"}


def test_ids_of_runs_are_no_examples():
    """An id that occurs once names its run."""
    assert guessed(id=[*range(12)], model=ARMS, correct=[0.5 + n / 100 for n in range(12)]).examples is None


def test_numbers_without_a_known_name_are_candidates():
    """Numbers without a known name are candidates, with their range, for a person to choose from; constants are
    none."""
    proposed = guessed(True, **{"params.arm": ARMS, "psnr": [20.0 + n for n in range(12)], "fixed": [1.5] * 12})
    assert (proposed.metrics, proposed.candidates) == ({}, {"psnr": (20.0, 31.0)})
    assert proposed.factors == {"arm": "params.arm"}


def test_replicates_in_columns_are_proposed_by_a_star():
    """seed0 and seed1 are one number; so are acc_fold1 and acc_fold2."""
    proposed = guessed(arm=["a", "b"], seed0=[0.5, 0.6], seed1=[0.55, 0.61])
    assert (proposed.factors, proposed.seed) == ({"arm": "arm"}, "*")
    assert proposed.metrics == {"test_score": "seed*"}
    assert guessed(arm=["a", "b"], acc_fold1=[0.5, 0.6], acc_fold2=[0.55, 0.61]).metrics == {"acc": "acc_fold*"}


def test_a_line_a_metric_is_proposed_as_long():
    """The metrics are the values of the column, not the column."""
    proposed = guessed(arm=ARMS[::3], seed=[0, 0, 0, 0], metric=["val_acc", "test_acc"] * 2, value=[0.5, 0.6, 0.7, 0.8])
    assert proposed.long == {"metric": "metric", "value": "value"}
    assert (proposed.metrics, proposed.factors) == ({"test_acc": "test_acc", "val_acc": "val_acc"}, {"arm": "arm"})


def test_names_of_files_give_factors():
    """Names of files give factors where no field is one; a word of each part names the factor."""
    names = [f"{arm}_lr0.1_seed{seed}.csv" for arm in ("deep", "wide") for seed in (0, 1)]
    proposed = guessed(file=names, test_acc=[0.5, 0.6, 0.7, 0.8])
    assert (proposed.factors, proposed.seed) == ({"variant": "variant"}, "seed")


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (["a", "b"], ""), (["x_1", "y"], ""), (["lr=0.1,wd=1", "lr=0.2,wd=1"], r"lr=(?P<lr>N),wd=1"),
        (["r/0", "s/1"], r"(?P<variant>[^_/,;&+ ]+?)/(?P<variant2>N)"),
    ],
)  # fmt: skip
def test_a_pattern_has_a_group_for_each_part_that_differs(names: list[str], pattern: str):
    """Names without common parts have none."""
    assert pattern_of(names) == pattern.replace("N", r"\d+(?:\.\d+)?(?:e-?\d+)?")


def test_means_with_deviations_are_refused():
    """Means with deviations are refused: they are summaries, not runs."""
    with pytest.raises(AblateError, match=r"acc has summaries of runs \('80.1 ± 0.3'\)"):
        guessed(method=["a", "b"], acc=["80.1 ± 0.3", "85.2 ± 0.2"])


@pytest.mark.parametrize("name", OWN_COLUMNS)
def test_a_factor_with_the_name_of_a_column_of_the_table_gets_another_one(name: str):
    """A factor with the name of a column of the table is renamed, so that the proposed file imports."""
    values = ["a", "b"] * 6 if name not in ("seed", "replicate", "trial") else [*range(6)] * 2
    proposed = guessed(**{name: values, "arm": ARMS}, test_acc=[float(v) for v in np.linspace(0.5, 0.9, 12)])
    assert name not in proposed.factors


def test_lists_of_fields_are_grouped_by_reason():
    """A source of wide configurations has hundreds that are the same."""
    proposed = guessed(
        True, **{f"params.k{n}": [1, 1] for n in range(30)}, **{"params.arm": ["a", "b"]}, acc=[0.5, 0.6]
    )
    assert {reason: len(names) for reason, names in proposed.unused.items()} == {"the same in all runs": 30}
