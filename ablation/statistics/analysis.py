"""What the numbers of a study say: how sure each row is, how rows differ, what a factor does, what selection is worth.

Everything that a table or figure prints beyond the scores themselves is computed here, from labels and predictions.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from ablation.grids import design
from ablation.grids.grid import Trial
from ablation.grids.record import Record
from ablation.statistics import comparison, differences, effects, stability
from ablation.statistics.comparison import Interval
from ablation.statistics.differences import Draws
from ablation.statistics.facts import SEEDS, Analysis, Answers, Contrast, Difference, Noise, RowFacts

BOOTSTRAP_ROWS = 100  # above so many, bootstrap intervals are made only where they are asked for
TRIALS, TRIALS_A_LEVEL = 50, 5  # from so many on, a factor's importance is more than luck
FEW_IMAGES = 10  # with fewer, no power is computed


def analyse(
    record: Record,
    train: Mapping[int, float],
    parameters: Mapping[int, int],
    val: Mapping[int, Answers],
    test: Mapping[int, Answers],
    replicates: Answers | None,
    selected: int | None,
    all_intervals: bool = False,
) -> Analysis:
    """Everything that can be said of a study. `train`: row -> accuracy; `parameters`: how many each row trains; `val`,
    `test`: what each row's networks said, `test` empty until a selection is sealed; `replicates`: the reference with
    other seeds, on test."""
    grid = record.grid
    bootstrap = all_intervals or len(grid.rows) <= BOOTSTRAP_ROWS
    draws = _draws(test, len(record.inputs.classes)) if bootstrap else None
    same = sorted(r for r in test if test[r].split == record.home)
    near, pairs = differences.neighbours(test, grid.reference), design.pairs(grid, same)
    others = differences.neighbours(test, selected)
    wanted = [(grid.reference, r) for r in near] + [(p.first, p.second) for p in pairs]
    found = differences.between(test, wanted + [(selected, r) for r in others if selected], grid.margin, draws)
    deltas = differences.adjusted([found[grid.reference, r] for r in near])
    by_row = dict(zip(near, deltas, strict=True))
    alike = differences.alike(selected, others, found)
    noise = _noise(replicates)
    adjusted = differences.adjusted([found[p.first, p.second] for p in pairs])
    contrasts = tuple(Contrast(p, d) for p, d in zip(pairs, adjusted, strict=True))
    return Analysis(
        rows={
            r: _row(r, answers, draws, by_row.get(r), alike.get(r), train[r], val[r], noise if r in same else None)
            for r, answers in test.items()
        },
        contrasts=contrasts,
        effects=tuple(effects.mains(grid, same, test, contrasts)),
        interactions=tuple(effects.interactions(grid, same, test)),
        stability=stability.stability(record, parameters, val, selected),
        cochran=_cochran(test, same),
        detectable=_detectable(deltas, test, same),
        noise=noise,
        bootstrapped=bootstrap,
    )


def _draws(rows: Mapping[int, Answers], classes: int) -> dict[int, np.ndarray]:
    """Rows on the same images share the bootstrap samples."""
    found: dict[int, np.ndarray] = {}
    for split in dict.fromkeys(answers.split for answers in rows.values()):
        mine = {r: answers for r, answers in rows.items() if answers.split == split}
        said = np.vstack([answers.predicted for answers in mine.values()])
        drawn = comparison.macro_f1_draws(next(iter(mine.values())).labels, said, classes)
        found |= zip(mine, np.split(drawn, np.cumsum([len(a.seeds) for a in mine.values()])[:-1]), strict=True)
    return found


def _within(found: Interval) -> Interval:
    """A share: no bound of it is below 0 or above 1."""
    return Interval(found.value, *(float(np.clip(bound, 0, 1)) for bound in (found.low, found.high)))


def _over_images(share: np.ndarray) -> Interval:
    """Of an accuracy. Where every image is right or wrong, as it is with one seed: Wilson's."""
    if np.isin(share, (0, 1)).all():
        return comparison.wilson(int(share.sum()), len(share))
    return _within(comparison.mean(share))


def _row(
    row: int, test: Answers, draws: Draws | None, delta: Difference | None, alike: bool | None,
    train: float, val: Answers, noise: Noise | None,
) -> RowFacts:  # fmt: skip
    many = len(test.seeds) >= SEEDS
    f1 = float(test.macro_f1.mean())
    return RowFacts(
        row,
        len(test.seeds),
        _over_images(test.share),
        comparison.percentiles(np.array([f1]), draws[row].mean(axis=0)[None])[0] if draws else None,
        _within(comparison.mean(test.accuracy)) if many else None,
        _within(comparison.mean(test.macro_f1)) if many else None,
        delta,
        alike,
        train - float(val.accuracy.mean()),
        noise.range.holds(float(test.accuracy.mean())) if noise else None,
    )


def _noise(replicates: Answers | None) -> Noise | None:
    """Where one more training of the reference would fall, by Student's t for a single new observation."""
    if replicates is None or len(replicates.seeds) < 2:
        return None
    found = comparison.mean(replicates.accuracy)
    reach = (found.high - found.value) * np.sqrt(len(replicates.seeds) + 1)  # t s / sqrt(N) to t s sqrt(1 + 1/N)
    return Noise(
        tuple(map(float, replicates.accuracy)),
        _within(Interval(found.value, found.value - reach, found.value + reach)),
    )


def _cochran(test: Mapping[int, Answers], rows: Sequence[int]) -> float | None:
    if not rows or any(len(test[r].seeds) > 1 for r in rows):
        return None
    return comparison.cochran(np.array([test[r].right[0] for r in rows]).T)


def _detectable(deltas: Sequence[Difference], test: Mapping[int, Answers], rows: Sequence[int]) -> float | None:
    """With the discordance that the rows have with the reference in the middle of them."""
    found = [d.against.only_a + d.against.only_b for d in deltas if d.against]
    n = len(test[rows[0]].labels) if rows else 0
    middle = float(np.median(found)) / n if found else 0.0
    return comparison.detectable(middle, n) if middle and n >= FEW_IMAGES else None


def can_weigh(record: Record, finished: Collection[Trial]) -> bool:
    """Whether importances mean something: enough trials, and of each level enough."""
    counts = Counter((f, getattr(t.condition, f)) for t in finished for f in record.grid.varying)
    return len(finished) >= TRIALS and min(counts.values(), default=0) >= TRIALS_A_LEVEL
