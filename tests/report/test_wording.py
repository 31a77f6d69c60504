"""The words of warnings, notes and claims: none claims more than what was computed or tested."""

import ast
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import synthetic
from conftest import ROOT
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep
from test_caveats import codes, curved, grid_of, recorded, say, tiny

from ablation.analysis import external_evaluation
from ablation.analysis.check_context import CheckContext
from ablation.analysis.external_evaluation import ExternalEvaluation
from ablation.analysis.facts import Stability
from ablation.analysis.study_analysis import StudyAnalysis
from ablation.experiments.keras_head.datasets.leaks import Leaks
from ablation.experiments.keras_head.report import leakage
from ablation.model.diagnostic import Diagnostic
from ablation.model.phrases import extreme, percent
from ablation.report.tables import contrasts, effects, importance, reproduction, selection
from ablation.report.tables.summary import claims
from ablation.report.warnings import noise, study_protocol
from ablation.statistics.intervals import Interval
from ablation.study.table_keys import TableKeys

pytestmark = pytest.mark.unit
PACKAGE = ROOT / "ablation"

# Rows without a significant difference are not shown to be equal, and a test does not "tell" rows apart.
OVERCLAIMS = re.compile(
    r"\b(not )?told from\b|\btells? .{0,40}\bfrom\b|\bcall these rows equal\b|\bno difference\b|\bthe factor interacts\b"
    r"|\bwithin noise\b|\bwill be (lower|higher)\b|\bmixed as in\b|\bepochs suffice\b",
    re.IGNORECASE,
)


def texts() -> Iterator[tuple[str, str]]:
    """Yield (file, text) of all texts that a reader of a study sees: strings but docstrings, and pages."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                yield path.name, node.value
    yield from ((path.name, " ".join(path.read_text().split())) for path in sorted(PACKAGE.rglob("pages/*.md")))


def test_no_text_takes_rows_without_a_significant_difference_for_equal():
    """Nor does a text promise what was not tested."""
    assert not [(name, text) for name, text in texts() if OVERCLAIMS.search(text)]


@pytest.mark.parametrize(
    "text",
    [
        "not told from 0", "Test does not tell rows 1 and 2 from it.", "within ±1 pp: no difference",
        "Where pairs disagree, the factor interacts.", "accuracy on new people will be lower", "Fewer epochs suffice",
    ],
)  # fmt: skip
def test_a_planted_overclaim_is_found(text: str):
    """The check can fail."""
    assert OVERCLAIMS.search(text)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> StudyAnalysis:
    """Two rows of one seed: 90.0 and 70.0 % of 120 test images."""
    return tiny(
        tmp_path_factory.mktemp("two"), [{}, {"dropout": 0.5}], [(0.9, 0.9, 0.9), (0.9, 0.85, 0.7)]
    )


@pytest.fixture(scope="module")
def square(tmp_path_factory: pytest.TempPathFactory) -> StudyAnalysis:
    """Two levels of two factors and a third of one, so that main effects can be estimated."""
    rows = [{"dropout": d, "augment": a} for d in (0.25, 0.5, 0.75) for a in ("none", "flip")]
    scores = [(0.9, 0.9, test) for test in (0.9, 0.8, 0.7, 0.75, 0.8, 0.7)]
    return tiny(tmp_path_factory.mktemp("square"), rows, scores)


def analysed(study: StudyAnalysis, **changes: Any) -> StudyAnalysis:
    return replace(study, analysis=replace(study.analysis, **changes))


def gridded(study: StudyAnalysis, **changes: Any) -> StudyAnalysis:
    return recorded(study, grid=study.record.grid.model_copy(update=changes))


def test_claims_speak_of_significant_differences(two: StudyAnalysis):
    """Rows that do not differ significantly are named as such, on test and on validation."""
    rows = two.analysis.rows
    alike = analysed(
        two,
        rows={**rows, 2: replace(rows[2], not_different=True)},
        stability=Stability({1: 0.7, 2: 0.3}, (1, 2), 2, 0.9, 0.88),
    )
    sentences = claims(alike)
    assert "On test, row 2 does not differ significantly from it, which does not show that they are equal." in sentences
    assert any(
        s.startswith("On validation, row 2 does not differ significantly from it, and is the cheapest") for s in sentences
    )
    assert any("; differs significantly from 0: rows 1 → 2 (Holm over 1 contrast)." in s for s in sentences)


def test_one_is_not_counted_as_many(two: StudyAnalysis):
    """A family of one test is one contrast, or one comparison."""
    table = contrasts.contrasts(two)
    assert table
    assert any("Holm over 1 contrast." in note for note in table.notes)
    selected = selection.selection(two)
    assert selected
    assert any("correction over 1 comparison. " in note for note in selected.notes)


def test_the_selections_shares_have_an_error(two: StudyAnalysis):
    """The Monte Carlo standard error of a share p of B samples: sqrt(p (1 - p) / B)."""
    table = selection.selection(analysed(two, stability=Stability({1: 0.75, 2: 0.25}, (1, 2), 1, 0.9, 0.88)))
    assert table
    error = 100 * math.sqrt(0.75 * 0.25 / 2000)
    assert f"Monte Carlo standard error at most {error:.1f} points." in table.notes[1]
    assert "2,000 bootstrap samples" in table.notes[1]


def test_importances_name_their_trials(square: StudyAnalysis):
    """They are fitted to trials, of which each seed is one; combinations are fewer."""
    table = importance.importance(square, {"dropout": (0.9, 0.1), "augment": (0.1, 0.1)})
    assert table.notes[1] == "Fitted to 6 trials of 6 combinations of levels."
    repeated = importance.importance(gridded(square, seeds=(0, 1)), {"dropout": (0.9, 0.1)})
    assert repeated.notes[1].endswith(", each seed a trial of its own.")


def test_main_effects_name_their_interval(square: StudyAnalysis):
    """Over images: Student's t of the coefficient of each image, with two added images, as computed here."""
    table = effects.effects(square)
    assert table
    assert "95 % t interval over test images, with the two added images of Bonett and Price (2012)" in table.notes[0]
    effect = next(e for e in square.analysis.effects if e.factor == "augment")
    right = np.stack([square.test[row].sample(square.record.primary).scores[0] for row in range(1, 7)]).astype(float)
    design = [[1, d == 0.5, d == 0.75, a] for d in (0.25, 0.5, 0.75) for a in (0, 1)]
    coefficients = np.linalg.lstsq(np.array(design, float), right, rcond=None)[0][3]
    added = np.append(coefficients, [1, -1])
    low, high = stats.t.interval(0.95, len(added) - 1, added.mean(), stats.sem(added))
    assert (effect.main.value, effect.main.low, effect.main.high) == pytest.approx((coefficients.mean(), low, high))


def test_main_effects_over_seeds_say_so(square: StudyAnalysis):
    """The unit is named, and no image is said to be added."""
    over_seeds = analysed(square, effects=tuple(replace(e, over="seeds") for e in square.analysis.effects))
    table = effects.effects(over_seeds)
    assert table
    assert "without interactions, 95 % t interval over seeds; of two factors" in table.notes[0]


def test_a_factor_interacts_where_an_interval_leaves_0_out(square: StudyAnalysis):
    """Pairs that disagree show no interaction by themselves."""
    assert any(e.up and e.down for e in square.analysis.effects)
    (interaction,) = square.analysis.interactions

    def note(*bounds: Interval) -> str:
        squares = tuple((s, b) for (s, _), b in zip(interaction.squares, bounds, strict=False))
        table = effects.effects(analysed(square, interactions=(replace(interaction, squares=squares),)))
        assert table
        return table.notes[2]

    holding, clear, nothing = Interval(0.1, -0.1, 0.3), Interval(0.2, 0.1, 0.3), Interval(0.2, math.nan, math.nan)
    assert note(holding, clear).endswith("disagree, and an interaction has an interval without 0.")
    for bounds in ((holding, nothing), ()):
        assert note(*bounds).endswith("disagree, which alone shows no interaction: none here has an interval without 0.")


def published(study: StudyAnalysis, *numbers: Mapping[str, str], **grid: Any) -> StudyAnalysis:
    """Return the study with published numbers, compared anew."""
    rows = tuple({key: Decimal(value) for key, value in row.items()} for row in numbers)
    changed = gridded(study, published=rows, **grid)
    measured = {row: facts.primary.value for row, facts in study.analysis.rows.items()}
    again = reproduction_of(changed, measured)
    return replace(changed, reproduction=again)


def reproduction_of(study: StudyAnalysis, measured: Mapping[int, float]) -> Any:
    from_published = __import__("ablation.analysis.published", fromlist=["reproduce"])
    return from_published.reproduce(study.record, measured, study.analysis.contrasts)


def notes(study: StudyAnalysis) -> str:
    table = reproduction.reproduction(study)
    assert table
    return "\n".join(table.notes)
