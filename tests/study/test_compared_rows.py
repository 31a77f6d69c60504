"""[[compare]] names rows by label or by levels, and becomes families of pairs; a wrong name is refused in one line."""

from pathlib import Path

import pytest

from ablation.errors import AblateError
from ablation.study import comparisons, study_file
from ablation.study.grid import Grid

pytestmark = pytest.mark.unit

ROWS = """
[[rows]]
label = "small"
dropout = 0.0
epochs = 1
[[rows]]
dropout = 0.5
epochs = 1
[[rows]]
label = "long"
dropout = 0.5
epochs = 3
[[rows]]
dropout = 0.0
epochs = 3
"""
FACTORIAL = "[factorial]\nepochs = {}\n"


def read(folder: Path, text: str, name: str = "study") -> Grid:
    path = folder / f"{name}.toml"
    path.write_text(text)
    return study_file.read(str(path))


def families(grid: Grid) -> list[list[tuple[int, int]]]:
    return [comparisons.pairs(grid, comparison) for comparison in grid.comparisons]


def conditions(grid: Grid) -> list[list[tuple[object, object]]]:
    return [[(grid.rows[a - 1], grid.rows[b - 1]) for a, b in pairs] for pairs in families(grid)]


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ('rows = ["small", "long"]', [(1, 3)]),
        ('rows = ["long", "small"]', [(3, 1)]),
        ('rows = ["small", { dropout = 0.5, epochs = 1 }, "long"]', [(1, 2), (1, 3), (2, 3)]),
        ('rows = ["small", { dropout = 0, epochs = 3.0 }]', [(1, 4)]),
        ('family = "all_pairs"', [(1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)]),
        ('family = "all_pairs"\nrows = ["long", "small"]', [(3, 1)]),
        ('family = "reference"', [(2, 1), (2, 3), (2, 4)]),
        ('family = "reference"\nrows = ["long"]', [(2, 3)]),
        ('family = "reference"\nrows = ["long", { dropout = 0.5, epochs = 1 }]', [(2, 3)]),
    ],
)
def test_a_family_is_pairs_of_rows(tmp_path: Path, text: str, pairs: list[tuple[int, int]]):
    """A list and all_pairs are all pairs, in the order of the list; reference compares with the study's reference."""
    assert families(read(tmp_path, f"reference = 2\n{ROWS}[[compare]]\n{text}\n")) == [pairs]


def test_families_stay_in_the_order_of_the_file(tmp_path: Path):
    """Each [[compare]] is a family of its own."""
    grid = read(tmp_path, ROWS + '[[compare]]\nfamily = "reference"\n[[compare]]\nrows = ["small", "long"]\n')
    assert families(grid) == [[(1, 2), (1, 3), (1, 4)], [(1, 3)]]


def test_rows_are_found_again_where_a_row_is_inserted(tmp_path: Path):
    """Labels and levels name the same rows, whatever their numbers are now."""
    compare = '[[compare]]\nrows = ["long", { dropout = 0.0, epochs = 3 }]\n'
    before, after = read(tmp_path, ROWS + compare), read(tmp_path, f"[[rows]]\ndropout = 0.1\n{ROWS}{compare}")
    assert (families(before), families(after)) == ([[(3, 4)]], [[(4, 5)]])
    assert conditions(before) == conditions(after)


def test_families_survive_json(tmp_path: Path):
    """study.json gives the same pairs; lists and decimals among the levels too."""
    text = "[[rows]]\nfc_units = [64, 32]\nlearning_rate = 1e-3\n[[rows]]\nfc_units = 64\nlearning_rate = 1e-4\n"
    grid = read(tmp_path, text + "[[compare]]\nrows = [{ fc_units = [64, 32] }, { learning_rate = 1e-4 }]\n")
    assert families(grid) == [[(1, 2)]]
    assert families(Grid.model_validate_json(grid.model_dump_json())) == [[(1, 2)]]


def test_a_path_is_named_as_in_the_rows(tmp_path: Path):
    """A relative path starts at the folder of the study file."""
    text = '[[rows]]\nweights = "a.keras"\n[[rows]]\nweights = "b.keras"\n'
    grid = read(tmp_path, text + '[[compare]]\nrows = [{ weights = "b.keras" }, { weights = "a.keras" }]\n')
    assert families(grid) == [[(2, 1)]]


def test_merged_studies_keep_the_rows_of_their_families(tmp_path: Path):
    """Rows that another study adds join no family, though they have the same labels or levels."""
    first = '[[rows]]\nlabel = "a"\ndropout = 0.1\n[[rows]]\ndropout = 0.2\n[[compare]]\nfamily = "all_pairs"\n'
    second = '[[rows]]\ndropout = 0.2\nepochs = 3\n[[rows]]\nlabel = "a"\ndropout = 0.3\n[[rows]]\ndropout = 0.4\n'
    second += '[[compare]]\nrows = ["a", { dropout = 0.2 }]\n'
    grids = read(tmp_path, first, "first"), read(tmp_path, second, "second")
    merged = study_file.read(f"{tmp_path}/first.toml,{tmp_path}/second.toml")
    assert len(merged.rows) == 5
    assert conditions(merged) == [*conditions(grids[0]), *conditions(grids[1])]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('rows = ["small", "x"]', "compare[1].rows[2]: no row has label 'x'; labels: small and long"),
        ('rows = [{ dropout = 0.5 }, "small"]', "compare[1].rows[1]: two rows have these levels: 2 and 3; add a level"),
        ('rows = ["small", {}]', "compare[1].rows[2]: 4 rows have these levels: 1, 2, 3 and 4; add a level"),
        ('rows = ["small", { dropout = 0.3 }]', "no row has dropout 0.3; levels of dropout: 0 and 0.5"),
        ('rows = ["small", { dropout = nan }]', "no row has dropout nan; levels of dropout: 0 and 0.5"),
        ('rows = ["small", { epochs = true }]', "no row has epochs true; levels of epochs: 1 and 3"),
        ('rows = ["small", { epochs = 1979-05-27 }]', "levels of epochs: 1 and 3"),
        ('rows = ["small", { lr = 1 }]', "compare[1].rows[2]: unknown factor 'lr'; known factors: backbone, weights, "),
        (
            'rows = ["small", 3]',
            "compare[1].rows[2]: 3 is a number, and numbers change where rows are inserted; name row 3 by its label, "
            "'long', or by its levels, { dropout = 0.5, epochs = 3 }",
        ),
        ('rows = ["small", 12]', "12 is a number, and no row's; name a row by its levels, such as { "),
        ('rows = ["small", 2]', "name row 2 by its levels, { dropout = 0.5, epochs = 1 }"),
        ('rows = ["small", 1.5]', "compare[1].rows[2]: 1.5 is not allowed; allowed: a list of two or more rows"),
        ('rows = ["small", true]', "compare[1].rows[2]: true is not allowed; allowed: a list of two or more rows"),
        ('rows = ["small", "long", "small"]', "compare[1].rows[3]: is the same row as rows[1]; name each row once"),
        ('rows = ["small"]', "compare[1]: no pair of rows to compare; needed: at least two rows"),
        ("rows = []", "compare[1]: no pair of rows to compare; needed: at least two rows"),
        ('family = "list"', 'compare[1].rows: missing; family "list" needs a list of two or more rows'),
        ('family = "reference"\nrows = ["small"]', "needed: at least a row other than the reference"),
        ('family = "some"', "compare[1].family: 'some' is not allowed; allowed: reference, all_pairs or list"),
    ],
)
def test_a_wrong_family_is_refused(tmp_path: Path, text: str, message: str):
    """One line names the file, the key and the way out."""
    with pytest.raises(AblateError) as error:
        read(tmp_path, f"{ROWS}[[compare]]\n{text}\n")
    assert str(error.value).startswith(f"{tmp_path}/study.toml: compare[1]")
    assert message in str(error.value)


def test_a_label_of_two_rows_names_none(tmp_path: Path):
    """The message has the numbers of both."""
    text = (
        '[[rows]]\nlabel = "a"\ndropout = 0.1\n[[rows]]\nlabel = "a"\ndropout = 0.2\n[[compare]]\nrows = ["a", "b"]\n'
    )
    with pytest.raises(AblateError, match=r"rows 1 and 2 have the label 'a'; name the row by its levels"):
        read(tmp_path, text)


def test_levels_that_no_row_has_together(tmp_path: Path):
    """Each level alone occurs."""
    text = "[[rows]]\ndropout = 0.1\nepochs = 1\n[[rows]]\ndropout = 0.2\nepochs = 2\n"
    with pytest.raises(AblateError, match=r"no row has dropout 0\.1 and epochs 2 together"):
        read(tmp_path, text + "[[compare]]\nrows = [{ epochs = 1 }, { dropout = 0.1, epochs = 2 }]\n")


@pytest.mark.parametrize(("family", "largest", "n_pairs"), [("all_pairs", 63, "2,016"), ("reference", 2001, "2,001")])
def test_a_family_has_at_most_2000_pairs(tmp_path: Path, family: str, largest: int, n_pairs: str):
    """One more row is refused with the number of pairs."""
    compare = f'[[compare]]\nfamily = "{family}"\n'
    assert len(families(read(tmp_path, FACTORIAL.format([*range(1, largest + 1)]) + compare))[0]) <= 2000
    with pytest.raises(AblateError, match=rf"compare\[1\]: {n_pairs} pairs of rows; allowed: at most 2,000"):
        read(tmp_path, FACTORIAL.format([*range(1, largest + 2)]) + compare)


@pytest.mark.parametrize("rule", ['select_on = "none"', 'select_on = "test_accuracy"\nselect_on_test = true'])
def test_the_second_best_row_is_one_of_validation(tmp_path: Path, rule: str):
    """A study that selects nothing, or on test, marks none."""
    with pytest.raises(AblateError, match=r"table\.second_best: true is not allowed with select_on = '"):
        read(tmp_path, f"{rule}\n[table]\nsecond_best = true\n{ROWS}")
    assert read(tmp_path, f"{rule}\n[table]\nsecond_best = false\n{ROWS}").table.second_best is False
