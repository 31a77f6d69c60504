"""What the rows of a grid can say, before any of them is trained."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablation.statistics import linear_models
from ablation.study import design, study_file
from ablation.study.grid import Grid

pytestmark = pytest.mark.unit

PAPER = study_file.read("paper")
ALL = range(1, 10)


def read(folder: Path, text: str) -> Grid:
    path = folder / "grid.toml"
    path.write_text(text)
    return study_file.read(str(path))


def matrix(grid: Grid, rows: list[int]) -> np.ndarray:
    return np.hstack([np.ones((len(rows), 1)), *(design.dummies(grid, rows, f) for f in grid.varying)])


def test_the_papers_pairs():
    """Twelve pairs of its nine rows differ in one factor; in each, the level nearer to the reference comes first."""
    pairs: dict[str, list[tuple[int, int]]] = {}
    for pair in design.pairs(PAPER, ALL):
        pairs.setdefault(pair.factor, []).append((pair.first, pair.second))
    assert pairs == {
        "batch_size": [(1, 4), (2, 3), (5, 6)],
        "learning_rate": [(2, 1), (3, 4)],
        "epochs": [(2, 5), (3, 6), (8, 9)],
        "fc_units": [(2, 7), (2, 8), (5, 9), (7, 8)],
    }


def test_the_papers_cells_and_levels():
    """9 of 24 combinations were run; the reference's level is the first of each factor."""
    assert design.cells(PAPER) == 24
    assert design.levels(PAPER, "fc_units") == [4096, 2048, 8192]
    assert design.levels(PAPER, "learning_rate") == [1e-4, 1e-3]


@pytest.mark.parametrize(
    ("factors", "rows"),
    [
        (("batch_size", "learning_rate"), [(2, 1, 3, 4)]),
        (("batch_size", "epochs"), [(2, 5, 3, 6)]),
        (("epochs", "fc_units"), [(2, 8, 5, 9)]),
        (("learning_rate", "epochs"), []),
        (("learning_rate", "fc_units"), []),
        (("batch_size", "fc_units"), []),
    ],
)
def test_the_papers_squares(factors: tuple[str, str], rows: list[tuple[int, ...]]):
    """Three interactions have their four rows; the other three do not."""
    assert [s.rows for s in design.squares(PAPER, ALL, factors)] == rows


def test_why_an_interaction_cannot_be_estimated():
    """The cell that was never run is named."""
    reasons = [
        design.never_together(PAPER, ALL, factors)
        for factors in (("learning_rate", "epochs"), ("learning_rate", "fc_units"), ("batch_size", "fc_units"))
    ]
    assert reasons == [
        "no runs with learning rate 1e-3 and epochs 100",
        "no runs with learning rate 1e-3 and fc units 8192",
        "no runs with batch size 128 and fc units 8192",
    ]


def test_the_papers_main_effects_leave_three_degrees_of_freedom():
    """Six columns of rank six, for nine rows."""
    columns = matrix(PAPER, list(ALL))
    assert columns.shape == (9, 6)
    assert linear_models.basis(columns) == list(range(6))
    assert all(linear_models.estimable(np.delete(columns, c, axis=1), columns[:, [c]]) for c in range(6))


def test_a_level_that_no_row_has_gives_no_column():
    """The learning rate does not vary without rows 1 and 4; without row 2's levels, the next level is the first."""
    assert design.dummies(PAPER, [2, 3, 5], "learning_rate").shape == (3, 0)
    assert design.occurring(PAPER, [7, 8], "fc_units") == [2048, 8192]
    assert design.dummies(PAPER, [7, 8], "fc_units").tolist() == [[0], [1]]


def test_one_at_a_time_is_saturated(tmp_path: Path):
    """Each level is one row away from the reference: as many effects as rows, and no interaction."""
    grid = read(tmp_path, "[one_at_a_time]\ndropout = [0.0, 0.5]\nbatch_size = [128]\n")
    rows = list(range(1, len(grid.rows) + 1))
    assert len(linear_models.basis(matrix(grid, rows))) == len(rows)
    assert sorted((p.factor, p.first, p.second) for p in design.pairs(grid, rows)) == [
        ("batch_size", 1, 4), ("dropout", 1, 2), ("dropout", 1, 3), ("dropout", 2, 3),
    ]  # fmt: skip
    assert design.squares(grid, rows, ("dropout", "batch_size")) == []


def test_leave_one_out_has_a_pair_for_each_component(tmp_path: Path):
    """A component that is removed by one setting is a pair with the reference; one of two settings is none."""
    grid = read(
        tmp_path, "[leave_one_out]\ndrop = { dropout = 0.0 }\nboth = { batch_size = 128, learning_rate = 1e-3 }\n"
    )
    pairs = design.pairs(grid, range(1, 4))
    assert [(p.factor, p.first, p.second) for p in pairs] == [("dropout", 1, 2)]


def test_many_squares_are_counted_not_listed(tmp_path: Path):
    """Two factors of ten levels have 2,025 squares."""
    levels = [round(0.05 * i, 2) for i in range(10)]
    grid = read(tmp_path, f"[factorial]\ndropout = {levels}\nepochs = {list(range(1, 11))}\n")
    assert len(design.squares(grid, range(1, 101), ("dropout", "epochs"))) == design.MOST_SQUARES + 1


@given(st.sets(st.sampled_from(list(ALL)), min_size=1))
def test_pairs_and_squares_differ_in_their_factors_alone(rows: set[int]):
    """Whichever rows have results: a pair in one factor, the corners of a square in two."""

    def apart(a: int, b: int) -> set[str]:
        one, other = PAPER.rows[a - 1], PAPER.rows[b - 1]
        return {f for f in PAPER.varying if getattr(one, f) != getattr(other, f)}

    pairs = design.pairs(PAPER, rows)
    expected = {frozenset(c) for c in combinations(rows, 2) if len(apart(*c)) == 1}
    assert {frozenset((p.first, p.second)) for p in pairs} == expected
    assert len(pairs) == len(expected)
    for pair in pairs:
        assert apart(pair.first, pair.second) == {pair.factor}
        assert tuple(getattr(PAPER.rows[r - 1], pair.factor) for r in (pair.first, pair.second)) == pair.levels
    for factors in combinations(PAPER.varying, 2):
        for square in design.squares(PAPER, rows, factors):
            assert set(square.rows) <= rows
            assert apart(square.rows[0], square.rows[3]) == set(factors)
            assert apart(square.rows[0], square.rows[1]) == {factors[1]}
