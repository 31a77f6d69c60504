"""The tables beside the ablation table: contrasts, factors, selection, the selected row, the published numbers."""
# ruff: noqa: RUF001 (the signs are what this file is about)

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ablation.grids import design
from ablation.grids.levels import short
from ablation.measures.measure import AGGREGATE, Measure
from ablation.results.elsewhere import Elsewhere, answers, sentences
from ablation.results.findings import Findings
from ablation.statistics import evaluation
from ablation.statistics.comparison import RESAMPLES, Interval, class_f1_draws, independent, percentiles, wilson
from ablation.statistics.facts import Difference
from ablation.statistics.published import Reproduction
from ablation.tables.frames import NOT_RUN, over
from ablation.tables.table import MANY_IMAGES, OVER, Cell, Column, Table, capital, lacks_a_class, measured

F1 = ("macro_f1", "weighted_f1")  # beside a published F1 whose average is not said
MOST = 60  # contrasts that are listed; contrasts.csv has them all


def _table(
    found: Findings, key: str, caption: str, columns: Sequence[Column], rows: Sequence[Sequence[Any]],
    notes: Sequence[str] = (),
) -> Table:  # fmt: skip
    cells = tuple(tuple(v if isinstance(v, Cell) else Cell(v) for v in row) for row in rows)
    examples = max((evidence.n for evidence in found.test.values()), default=0)
    decimals = 2 if examples >= MANY_IMAGES else 1
    return Table(
        found.record.name, caption, tuple(columns), cells, (frozenset(),) * len(cells), tuple(notes), decimals, key
    )


def contrasts(found: Findings) -> Table | None:
    """Every two rows that differ in one factor, and what that did on the same test examples."""
    listed = found.analysis.contrasts[:MOST]
    if not listed:
        return None
    one_seed = all(c.difference.against for c in listed)
    margin, further = found.record.grid.margin, _further(found)
    columns = [
        Column("factor", "Factor", "text"),
        Column("levels", "Level", "text"),
        Column("rows", "Rows", "text"),
        *(measured(m.name, f"Δ {m.title}", "change", "Test", m) for m in (found.record.primary, *further)),
        *([Column("only", "Right only in", "text")] if one_seed else []),
        Column("p", "p", "p"),
        Column("p_holm", "p (Holm)", "p"),
        *([Column("equivalent", "Equivalent", "text")] if margin else []),
    ]
    rows = []
    for contrast in listed:
        pair, d = contrast.pair, contrast.difference
        levels = " → ".join(short(pair.factor, level) for level in pair.levels)
        rows.append(
            [
                found.record.grid.titles[pair.factor], levels, f"{pair.first} → {pair.second}", d.value,
                *(d.others.get(m.name) for m in further),
                *([_only(d)] if one_seed else []),
                d.p, d.p_holm,
                *([{True: "yes", False: "no", None: None}[d.equivalent]] if margin else []),
            ]
        )  # fmt: skip
    return _table(found, "contrasts", "One-factor contrasts: rows that differ in one factor alone.", columns, rows,
                  list(_contrast_notes(found, one_seed)))  # fmt: skip


def _further(found: Findings) -> list[Measure]:
    """The measures beside the primary one whose differences have intervals."""
    primary = found.record.primary.name
    return [
        m for m in found.record.detailed if m.name != primary and (m.kind != AGGREGATE or found.analysis.bootstrapped)
    ]


def _only(difference: Difference) -> str:
    against = difference.against
    assert against is not None
    return f"{against.only_a:,} / {against.only_b:,}"


def _contrast_notes(found: Findings, one_seed: bool) -> Iterator[str]:
    many, primary, noun = len(found.analysis.contrasts), found.record.primary, found.record.noun
    if many > MOST:
        yield f"The first {MOST} of {many:,}; contrasts.csv has them all."
    tests = dict.fromkeys(_test(found, c.difference) for c in found.analysis.contrasts)
    if test := " or ".join(filter(None, tests)):
        how = f"Intervals: 95 %, paired, unadjusted. p: {test}; Holm over the {many:,} contrasts."
    else:
        how = "Of numbers alone: no intervals, and no tests."
    yield f"Second row minus first. {how}"
    if one_seed:
        yield f"Right only in: test {noun}s that only the first / only the second row gets right."
    if found.analysis.cochran is not None:
        yield f"Any difference among the rows: Cochran's Q, p {_p(found.analysis.cochran)}."
    if found.analysis.detectable:
        yield (
            f"Smallest difference that one test on these {noun}s finds with power 0.8: "
            f"{primary.size(found.analysis.detectable, 1)} (at the rows' median discordance with the reference)."
        )
    if margin := found.record.grid.margin:
        size = f"{primary.scale * margin:g} {primary.change_unit}".rstrip()
        yield f"Equivalent: within ±{size} by two one-sided paired tests."


def _test(found: Findings, difference: Difference) -> str:
    """Which test gave the p of a difference; "" where none could."""
    if difference.against:
        return "exact McNemar"
    kind = "bootstrap" if found.record.primary.kind == AGGREGATE and difference.over != "seeds" else "t"
    return f"paired {kind} test over {over(found.record, difference.over)}" if difference.over else ""


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def effects(found: Findings) -> Table | None:
    """What each factor does, as far as the rows can say."""
    if not found.analysis.effects:
        return None
    primary = found.record.primary
    columns = [
        Column("factor", "Factor", "text"),
        Column("levels", "Level", "text"),
        Column("pairs", "Pairs", "count"),
        Column("signs", "Up / down", "text"),
        measured("main", "Effect", "change", f"Test {primary.title}", primary),
        measured("line_fit", "Over rows", "change", f"Test {primary.title}", primary),
    ]
    lines = [*_main_effects(found), *_interactions(found)]
    reasons = list(dict.fromkeys(f"{name}: {reason}." for name, _, reason in lines if reason))
    units = over(found.record, found.analysis.effects[0].over)
    interval = f"95 % interval over {units}" if units else "untested"
    notes = [
        f"Effect: linear model of all rows without interactions, {interval}; "
        "of two factors: difference of differences over four rows.",
        "Over rows: the same effect, its interval from what the model leaves unexplained: interactions and seeds.",
        f"Up / down: matched pairs in which {primary.title} rose / fell. Where pairs disagree, the factor interacts.",
        *reasons,
    ]
    rows = [cells for _, cells, _ in lines]
    return _table(found, "effects", "Factors: what the rows can say of each.", columns, rows, notes)


Line = tuple[str, list[Any], str]  # name, cells, why there is no effect


def _main_effects(found: Findings) -> Iterator[Line]:
    for e in found.analysis.effects:
        levels = " → ".join(short(e.factor, v) for v in e.levels)
        why = "not estimable" if e.reason else None
        yield (
            found.record.grid.titles[e.factor],
            [found.record.grid.titles[e.factor], levels, e.pairs, f"{e.up} / {e.down}", e.main or why, e.line_fit],
            e.reason,
        )


def _interactions(found: Findings) -> Iterator[Line]:
    for interaction in found.analysis.interactions:
        name = " × ".join(found.record.grid.titles[f] for f in interaction.factors)
        for square, value in interaction.squares:
            yield name, [name, _square(square), None, None, value, None], ""
        if not interaction.squares:
            why = interaction.reason.partition(":")[0]
            yield name, [name, None, None, None, why, None], interaction.reason


def _square(square: design.Square) -> str:
    a, b = (
        " → ".join(short(f, level) for level in levels) for f, levels in zip(square.factors, square.levels, strict=True)
    )
    return f"{a}; {b} (rows {', '.join(map(str, square.rows))})"


def selection(found: Findings) -> Table | None:
    """How sure the choice is, on validation."""
    stability, sealed, by = found.analysis.stability, found.sealed, found.record.selected_by
    if not stability or not sealed or not by or sealed.metric != found.record.grid.select_on:  # the rule has changed
        return None
    values = {
        row: float(np.mean([r.scores["val"][by.name] for _, r in found.finished(row)])) for row in stability.shares
    }
    order = sorted(values, key=lambda r: (r != sealed.row, values[r] if by.lowest else -values[r]))
    kind = "percent" if by.is_share else "number"
    columns = [
        Column("row", "Row", "row"),
        Column("value", _named(by, bool(found.record.inputs.classes)), kind, "Validation"),
        Column("share", "Best in (%)", "percent", "Validation"),
        Column("alike", "Told from the selected", "text"),
    ]
    rows = [
        [row, values[row], stability.shares[row],
         "–" if row == sealed.row else "no" if row in stability.alike else "yes"]
        for row in order[:MOST]
    ]  # fmt: skip
    noun, primary = found.record.noun, found.record.primary
    notes = [
        f"Rule: {sealed.rule}. Sealed {'anew after' if sealed.earlier else 'before'} test predictions were opened.",
        f"Best in: share of bootstrap samples of the validation {noun}s in which the row would have been selected.",
        f"Validation {primary.title} of the selected row {primary.shown(stability.value, 1)}; of each sample's winner "
        f"on the {noun}s that the sample left out {primary.shown(stability.corrected, 1)} (bootstrap bias correction).",
    ]
    if stability.cheapest != sealed.row:
        notes.append(
            f"Recommended where cost matters: row {stability.cheapest}, the cheapest that is not told from it."
        )
    table = _table(found, "selection", "Selection on validation.", columns, rows, notes)
    return _marked(table, found, order[:MOST])


def _named(measure: Measure, of_classes: bool) -> str:
    """The heading of a measure's values in the table of the selection."""
    title = measure.name.replace("_", " ").capitalize() if of_classes else capital(measure.title)
    return f"{title} ({measure.unit})" if measure.unit and not of_classes else title


def _marked(table: Table, found: Findings, rows: Sequence[int]) -> Table:
    sealed, reference = found.sealed, found.record.grid.reference
    marks = tuple(
        frozenset({"selected"} if sealed and r == sealed.row else ())
        | frozenset({"reference"} if r == reference else ())
        for r in rows
    )
    return Table(table.name, table.caption, table.columns, table.rows, marks, table.notes, table.decimals, table.key)


def _class_columns(group: str) -> list[Column]:
    return [
        Column("class", "Class", "text"),
        Column("precision", "Precision", "percent", group),
        Column("recall", "Recall", "estimate", group),
        Column("f1", "F1", "estimate", group),
        Column("support", "Images", "count"),
    ]


AVERAGES = ("macro average", "weighted average")


def _class_name(name: str) -> str:
    """A class that is called like an average stands in quotes."""
    return f'"{name}"' if name in AVERAGES else name


def _class_rows(labels: np.ndarray, predicted: np.ndarray, classes: Sequence[str]) -> list[list[Any]]:
    """A line a class, then the averages: name, precision, recall, F1, images."""
    scored = evaluation.class_scores(labels, predicted, len(classes))
    draws, macro_draws = class_f1_draws(labels, predicted, len(classes))
    f1 = percentiles(scored.f1, draws)
    rows: list[list[Any]] = []
    for k, name in enumerate(classes):
        hits, support = int(((labels == k) & (predicted == k)).sum()), int(scored.support[k])
        recall = wilson(hits, support) if support else None
        rows.append([_class_name(name), float(scored.precision[k]), recall, f1[k] if support else None, support])
    none, there = float("nan"), scored.support > 0  # a class without images has no recall, and is in no average
    for name, weights in zip(AVERAGES, (np.ones(there.sum()), scored.support[there]), strict=True):
        precision, of_recall, of_f1 = (float(np.average(each[there], weights=weights)) for each in scored[:3])
        mean = Interval(of_f1, none, none)
        if name == AVERAGES[0]:
            (mean,) = percentiles(np.array([evaluation.macro_f1(labels, predicted)]), macro_draws[None])
        rows.append([name, precision, Interval(of_recall, none, none), mean, len(labels)])
    return rows


def _class_notes(labels: np.ndarray, classes: Sequence[str]) -> list[str]:
    counts = np.bincount(labels, minlength=len(classes))
    return [
        f"Recall: Wilson interval; F1: percentile bootstrap over images, {RESAMPLES:,} resamples.",
        *([f"Averages are {OVER}."] if not counts.all() else []),
        f"Always guessing {classes[int(counts.argmax())]} would be right in {100 * counts.max() / counts.sum():.1f} %.",
    ]


def selected(found: Findings) -> Table | None:
    """The selected row on test, class by class: precision, recall, F1, support."""
    answers = found.test.get(found.selected) if found.selected else None
    classes = found.record.inputs.classes
    if not answers or not classes:
        return None
    notes = _class_notes(answers.labels, classes)
    if len(answers.seeds) > 1:
        notes.append(f"Of the network with seed {answers.seeds[0]}.")
    rows = _class_rows(answers.labels, answers.predicted[0], classes)
    caption = f"Row {found.selected}, the selected one, on test."
    return _table(found, "selected", caption, _class_columns("Test (%)"), rows, notes)


def elsewhere(found: Findings, other: Elsewhere) -> Table:
    """A row on other images, class by class, beside its test set."""
    columns = [
        *_class_columns("There (%)"),
        Column("test", "Recall", "percent", "Test (%)"),
        Column("drop", "Δ recall", "change", "There − test (pp)"),
        Column("train_share", "Train", "percent", "Share of images (%)"),
        Column("share", "There", "percent", "Share of images (%)"),
    ]
    labels, predicted = answers(other.confusion)
    rows = _class_rows(labels, predicted, other.classes)
    for k in range(len(other.classes)):
        (right, n), (test_right, test_n) = ((c[k][k], sum(c[k])) for c in (other.confusion, other.test))
        recall = test_right / test_n if test_n else None
        drop = independent(right / n, recall, n, test_n) if n and recall is not None else None
        rows[k] += [recall, drop, other.train[k] / sum(other.train), n / other.images]
    for row in rows[len(other.classes) :]:
        row += [None] * 4
    notes = [*sentences(other), *_class_notes(labels, other.classes)]
    if len(found.record.grid.seeds) > 1:
        notes.append(f"Of the network with seed {other.seed}.")
    notes.append("Δ: Newcombe's interval for two independent sets of images.")
    return _table(found, other.key, f"Row {other.row} on {other.place}.", columns, rows, notes)


def reproduction(found: Findings) -> Table | None:
    """Measured beside published."""
    if not found.reproduction or not found.record.inputs.classes:
        return None
    compared = not found.reproduction.other
    columns = [
        Column("row", "#", "row"),
        Column("published", "Published", "published", "Test accuracy (%)"),
        Column("measured", "Measured", "estimate", "Test accuracy (%)"),
        *(
            [Column("difference", "Δ", "change", "Measured − published (pp)"), Column("verdict", "", "text")]
            if compared
            else []
        ),
        Column("f1", "Published", "published", "F1 (%)"),
        *(Column(m, m.removesuffix("_f1"), "percent", "F1 (%)") for m in F1),
        Column("val_published", "Published", "published", "Validation accuracy (%)"),
        Column("val", "Measured", "percent", "Validation accuracy (%)"),
    ]
    rows = [_reproduced_row(found, r, compared) for r in found.reproduction.rows]
    header = "Measured beside published." if compared else "Same protocol, other data: measured beside published."
    table = _table(found, "reproduction", header, columns, rows, list(_reproduction_notes(found, found.reproduction)))
    return _marked(table, found, [r.row for r in found.reproduction.rows])


def _reproduced_row(found: Findings, reproduced: Any, compared: bool) -> list[Any]:
    row = reproduced.row
    facts, published = found.analysis.rows.get(row), found.record.grid.published[row - 1]
    answers = found.test.get(row)
    lacking = None if facts else _lack(found, row)
    f1 = {m: answers.sample(found.record.measures[m]) for m in F1} if answers else {}
    val = [r.scores["val"]["accuracy"] for _, r in found.finished(row)]
    return [
        row, reproduced.published, facts.primary.over_examples if facts else lacking,
        *([reproduced.difference or lacking, reproduced.verdict] if compared else []),
        published.get("f1"),
        *(sample.mean if (sample := f1.get(m)) else lacking for m in F1),
        published.get("val_accuracy"), float(np.mean(val)) if val else lacking,
    ]  # fmt: skip


def _lack(found: Findings, row: int) -> str:
    """Why a row has no test numbers."""
    if found.finished(row):
        return "sealed"
    outcomes = [r.outcome for t, r in found.results.items() if r and t in found.record.grid.seeded(row)]
    return outcomes[0] if outcomes else NOT_RUN


def _reproduction_notes(found: Findings, reproduction: Reproduction) -> Iterator[str]:
    agreement = reproduction.agreement
    if reproduction.other:
        yield f"Other data: {reproduction.other}. Numbers are not compared; ranks and signs are."
    else:
        yield (
            "≈ / ≠: the 95 % interval of the difference does / does not hold 0, the published accuracy taken as k/n on "
            "an independent test set (Newcombe); ?: not comparable. Without its predictions, no test can be paired."
        )
    yield "The source does not say which average its F1 is; micro-F1 equals accuracy."
    if lacks_a_class(found.record):
        yield f"Macro-F1 is {OVER}."
    tau = f"Kendall's tau-b {agreement.tau:.2f}; " if agreement.tau is not None else ""
    if agreement.rows > 1:
        yield (
            f"Agreement over {agreement.rows} rows: {tau}{agreement.same_signs} of {agreement.signs} one-factor "
            f"contrasts have the published sign; {agreement.within_noise} published contrasts are within noise at this "
            "size."
        )
    changed = [f"{k.replace('_', ' ')} {v}" for k, v in found.record.grid.settings.items()]
    if changed:
        yield f"Set otherwise than in the study file: {', '.join(changed)}."


def importance(found: Findings, shares: Mapping[str, tuple[float, float]]) -> Table:
    """What `study.importances` says, for a study with enough trials for it."""
    columns = [Column("factor", "Factor", "text"), Column("share", "Share (%)", "percent")]
    rows = [[found.record.grid.titles[f], share] for f, share in sorted(shares.items(), key=lambda item: -item[1][0])]
    notes = ["Share of variance on validation explained by a surrogate forest (fANOVA), mean ± SD over ten forests; "
             "not an effect size: the contrasts are."]  # fmt: skip
    return _table(found, "importance", "Importance of the factors.", columns, rows, notes)


def every(found: Findings) -> list[Table]:
    """All of them that this study has."""
    makers = (contrasts, effects, selection, selected, reproduction, *getattr(found.record.experiment, "tables", ()))
    own = [table for make in makers if (table := make(found))]
    return [*own, *(elsewhere(found, other) for other in found.elsewhere)]
