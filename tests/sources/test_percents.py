"""Percentages without a sign: whether a column holds them is decided by its measure and all of its values."""

import pandas as pd
import pytest

from ablation.errors import AblateError
from ablation.sources import arrange
from ablation.sources.runs import CURVES, Runs
from ablation.study.import_keys import ImportKeys

pytestmark = pytest.mark.unit


def arranged(values: list[float], name: str = "test_acc", curves: object = None, **keys: object) -> arrange.Arranged:
    """Return the rows of four runs with these values."""
    frame = pd.DataFrame({"arm": ["a", "a", "b", "b"], **({} if curves is not None else {name: values})})
    stated = ImportKeys.model_validate({"from": "x.csv", "factors": ["arm"], "metrics": [name], **keys})
    return arrange.arrange(Runs("x.csv", "csv", frame, curves), stated, "import")


def numbers(rows: arrange.Arranged) -> list[float]:
    return [value for trial in rows.trials for value in trial.numbers.values()]


def test_a_share_from_0_to_100_becomes_a_fraction_and_the_caption_says_so():
    """Values from 1.5 to 100 alone, and 0, which is both."""
    rows = arranged([85.3, 0.0, 86.1, 100.0])
    assert numbers(rows) == pytest.approx([0.853, 0.0, 0.861, 1.0])
    assert "Read as percentages: test_acc (85.3 is 0.853)." in rows.stated
    assert "Read as percentages: test_acc (85.3 is 0.853)." in rows.notes


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("test_acc", [0.5, 0.6, 0.7, 1.0]), ("test_acc", [0.9, 1.2, 1.1, 0.8]), ("test_loss", [50.0, 3.0, 2.0, 5.0]),
        ("test_score", [80.0, 3.0, 2.0, 5.0]), ("test_acc", [850.0, 900.0, 20.0, 30.0]),
        ("test_correct", [85, 86, 90, 91]), ("test_acc", [-20.0, 30.0, 40.0, 50.0]),
    ],
)  # fmt: skip
def test_other_values_are_no_percentages(name: str, values: list[float]):
    """Fractions, error rates above 1, counts of examples, and measures that are no share."""
    rows = arranged(values, name)
    assert numbers(rows) == pytest.approx([float(value) for value in values])
    assert not any("percent" in note for note in rows.notes)


def test_a_column_of_fractions_and_percentages_is_refused():
    """Two cells, and the key that says what the column is."""
    with pytest.raises(AblateError) as refusal:
        arranged([0.853, 0.861, 86.1, 0.9])
    assert str(refusal.value) == (
        "import.percent: test_acc mixes fractions and percentages (run 1: 0.853, run 3: 86.1); mend the source, or "
        'state percent = ["test_acc"] where all are percentages, or percent = [] where none is'
    )


def test_the_key_states_what_the_values_do_not():
    """A list names all percentages of the source; the empty list says that there are none."""
    assert numbers(arranged([0.4, 3.0, 2.0, 5.0], "test_error", percent=["error"])) == [0.004, 0.03, 0.02, 0.05]
    assert numbers(arranged([85.0, 86.0, 87.0, 88.0], percent=[])) == [85.0, 86.0, 87.0, 88.0]
    with pytest.raises(
        AblateError, match=r"import\.percent: no number 'tst_acc'; numbers: test_acc; nearest: test_acc"
    ):
        arranged([85.0] * 4, percent=["tst_acc"])


def test_a_course_is_divided_with_its_last_value():
    """The first epochs may be below 1 percent."""
    points = [(run, "test_acc", step, value) for run in range(4) for step, value in enumerate((0.8, 60.0 + run))]
    rows = arranged([], curves=pd.DataFrame(points, columns=list(CURVES)))
    assert numbers(rows) == pytest.approx([0.6, 0.61, 0.62, 0.63])
    assert [step["test_acc"] for step in rows.trials[0].history] == pytest.approx([0.008, 0.6])
