"""Differences between rows, paired over the same images, or over seeds where rows have enough of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ablation.statistics import comparison
from ablation.statistics.comparison import ALPHA, Interval
from ablation.statistics.facts import SEEDS, Answers, Difference

Draws = Mapping[int, np.ndarray]  # row -> macro-F1 of each seed under the same bootstrap samples: (S, resamples)
Pairs = Sequence[tuple[int, int]]


def _common(a: Answers, b: Answers) -> tuple[Answers, Answers]:
    """What both said with the seeds that both have; all that they said where they have none in common."""
    seeds = [s for s in a.seeds if s in b.seeds]
    return (a.only(seeds), b.only(seeds)) if seeds else (a, b)


def compared_over(rows: Sequence[Answers]) -> str:
    """What is compared between rows: images, or seeds where all rows have the same and enough of them."""
    return "seeds" if len({r.seeds for r in rows}) == 1 and len(rows[0].seeds) >= SEEDS else "images"


def measured(rows: Sequence[Answers], over: str) -> np.ndarray:
    """The accuracy of each row for each seed, or how right it is on each image: (R, S) or (R, N)."""
    return np.stack([r.accuracy if over == "seeds" else r.share for r in rows])


def between(
    rows: Mapping[int, Answers], pairs: Pairs, margin: float | None = None, draws: Draws | None = None
) -> dict[tuple[int, int], Difference]:
    """Of each pair of rows, both on the same images, second minus first. `margin`: within which they are equivalent, as
    a fraction. `draws`: for intervals of macro-F1 over images."""
    kinds: dict[tuple[str, int, int], list[tuple[int, int]]] = {}
    for a, b in dict.fromkeys(pairs):
        both = _common(rows[a], rows[b])
        kinds.setdefault((compared_over(both), len(both[0].seeds), len(both[1].seeds)), []).append((a, b))
    found: dict[tuple[int, int], Difference] = {}
    for some in kinds.values():
        for first in range(0, len(some), comparison.CHUNK):
            chunk = some[first : first + comparison.CHUNK]
            found |= zip(chunk, _differences(rows, chunk, margin, draws), strict=True)
    return found


def _differences(
    rows: Mapping[int, Answers], pairs: Pairs, margin: float | None, draws: Draws | None
) -> Iterator[Difference]:
    """Of pairs with the same numbers of common seeds, all compared over the same."""
    both = [_common(rows[a], rows[b]) for a, b in pairs]
    over, nothing = compared_over(both[0]), [None] * len(pairs)
    one, other = (measured(side, over) for side in zip(*both, strict=True))
    images = over == "images"
    against = (
        [comparison.discordance(a.right[0], b.right[0]) for a, b in both]
        if all(len(answers.seeds) == 1 for answers in both[0])
        else None
    )
    return map(
        Difference,
        (comparison.paired_images if images else comparison.paired)(one, other),
        _f1_differences(rows, pairs, draws) if images else comparison.paired(*_macro_f1(both)),
        [over] * len(pairs),
        [d.p for d in against] if against else comparison.paired_p(one, other),
        against or nothing,
        nothing if images else comparison.sign_flip(one, other),
        [float("nan")] * len(pairs),
        nothing if margin is None else comparison.equivalent(one, other, margin, images),
    )


def _macro_f1(both: Sequence[tuple[Answers, Answers]]) -> Iterator[np.ndarray]:
    return (np.stack([answers.macro_f1 for answers in side]) for side in zip(*both, strict=True))


def _f1_differences(rows: Mapping[int, Answers], pairs: Pairs, draws: Draws | None) -> Sequence[Interval | None]:
    """Over images."""
    if draws is None:
        return [None] * len(pairs)
    values, drawn = [], []
    for pair in pairs:
        common = _common(*(rows[r] for r in pair))
        places = [[rows[r].seeds.index(s) for s in each.seeds] for r, each in zip(pair, common, strict=True)]
        one, other = (draws[r][place].mean(axis=0) for r, place in zip(pair, places, strict=True))
        drawn.append(other - one)
        values.append(common[1].macro_f1.mean() - common[0].macro_f1.mean())
    return comparison.percentiles(np.array(values), np.stack(drawn))


def adjusted(found: Sequence[Difference]) -> list[Difference]:
    """With p_holm, over this family."""
    return [replace(d, p_holm=p) for d, p in zip(found, comparison.holm([d.p for d in found]), strict=True)]


def neighbours(rows: Mapping[int, Answers], row: int | None) -> list[int]:
    """The other rows on the same images as `row`."""
    return [r for r in rows if r != row and rows[r].split == rows[row].split] if row in rows else []  # type: ignore[index]


def alike(selected: int | None, others: Sequence[int], found: Mapping[tuple[int, int], Difference]) -> dict[int, bool]:
    """Of each row on the selected one's images: whether the two are not told apart (Holm over these rows)."""
    corrected = adjusted([found[selected, r] for r in others]) if selected else []
    return {r: not d.p_holm < ALPHA for r, d in zip(others, corrected, strict=True)}
