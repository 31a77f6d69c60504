"""How a study stands: its tables and report, drawn from files alone. No database, no backend."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ablation import caveats
from ablation.caveats import Caveat
from ablation.datasets import leaks
from ablation.grids import record as records
from ablation.grids.grid import Trial
from ablation.grids.record import Record
from ablation.planning import plan
from ablation.results import findings, selection
from ablation.results.examples import Opener
from ablation.results.findings import Findings, Results, done
from ablation.results.result import Result
from ablation.results.selection import Selection
from ablation.statistics import analysis
from ablation.tables import beside, claims, export, frames, latex, provenance, report, table
from ablation.tables.frames import NOT_RUN
from ablation.tables.table import Table
from ablation.training import features
from ablation.workspace import Workspace, check_name, write_text

Importances = Callable[[Record, Mapping[Trial, Result]], dict[str, tuple[float, float]]]
REPORT = "report.html"
DATED = ("trials.csv", REPORT)  # hold when, where and in how many attempts; the others are the same for same results


@dataclass(frozen=True)
class Look:
    """How tables are drawn. `latex`: what `export.latex` takes. `all_intervals`: bootstrap above 100 rows too.
    `importances`: computes those of the factors, where there are trials enough; None leaves them out."""

    latex: Mapping[str, Any] = field(default_factory=dict)
    all_intervals: bool = False
    importances: Importances | None = None


@dataclass(frozen=True)
class Tests:
    """What is known of the test set once a selection is sealed. `scores`: of each finished trial, measure -> value;
    `selected`: the row, None where nothing is to be selected."""

    scores: dict[Trial, dict[str, float]]
    opened: Opener
    selected: int | None


@dataclass(frozen=True)
class Outcome:
    """How a study stands. `unfinished`: (row, seed, outcome, reason) of each trial without a result."""

    folder: Path
    table: Table
    trained: int
    unfinished: tuple[tuple[int, int, str, str], ...]
    claims: tuple[str, ...]
    caveats: tuple[Caveat, ...]

    @property
    def codes(self) -> list[str]:
        return [caveat.code for caveat in self.caveats]


@dataclass(frozen=True)
class Drawing:
    """A study, drawn. `tables`: by key, the ablation table first; `files`: name in the study's folder -> content."""

    findings: Findings
    tables: dict[str, Table]
    claims: tuple[str, ...]
    caveats: tuple[Caveat, ...]
    files: dict[str, str]

    @property
    def undated(self) -> dict[str, str]:
        """The files that hold nothing of when and where."""
        return {name: content for name, content in self.files.items() if name not in DATED}


def _scores(found: Findings) -> dict[Trial, dict[str, float]]:
    """Of each finished trial on test, replicates included."""
    scores: dict[Trial, dict[str, float]] = {}
    for trial in done(found.results):
        replicate = found.record.grid.is_replicate(trial)
        evidence = found.replicates if replicate else found.test.get(trial.row)
        if evidence:
            place = evidence.seeds.index(trial.seed)
            samples = {m.name: evidence.sample(m) for m in found.record.measures.values()}
            scores[trial] = {name: float(sample.values[place]) for name, sample in samples.items() if sample}
    return scores


def tests(workspace: Workspace, found: Findings) -> Tests | None:
    """None until a selection is sealed."""
    sealed = found.sealed
    return Tests(_scores(found), selection.unseal(workspace, found.record, sealed), sealed.row) if sealed else None


def _majority(found: Findings) -> float | None:
    """Of the rows whose test predictions are opened; None where there are no classes."""
    if not found.record.inputs.classes:
        return None
    share: float | None = found.record.inputs.majority(found.record.grid.rows[row - 1].split for row in found.test)
    return share


def draw(workspace: Workspace, record: Record, results: Results, sealed: Selection | None, look: Look) -> Drawing:
    """The study's tables and warnings; writes nothing."""
    found = findings.gather(workspace, record, results, sealed, look.all_intervals)
    crossing = leaks.of_all(workspace, record, _pretrained(workspace, record)) if record.inputs.classes else {}
    told = tuple(caveats.find(found, _looks(workspace, record), crossing))
    trials = frames.trials(record, results, _scores(found))
    rows = frames.rows(record, trials, sealed, found.analysis.rows)
    main = table.build(record, rows, _majority(found), sealed, found.analysis)
    files = {
        "table.csv": export.csv(rows),
        "trials.csv": export.csv(trials),
        "contrasts.csv": export.csv(frames.contrasts(record, found.analysis.contrasts)),
        "table.tex": latex.latex(main, **look.latex),
        "table.md": export.markdown_table(main),
        "macros.tex": latex.macros(rows, main.decimals, record.detailed),
        "warnings.json": json.dumps(caveats.as_json(told), indent=1, ensure_ascii=False) + "\n",
    }
    others = beside.every(found)
    own = findings.of_rows(record, results)
    if look.importances and analysis.can_weigh(record, own) and (shares := look.importances(record, own)):
        others.append(beside.importance(found, shares))
    for each in others:
        files[f"tables/{each.key}.tex"] = latex.latex(each, **look.latex)
        files[f"tables/{each.key}.md"] = export.markdown_table(each)
    tables = {each.key: each for each in (main, *others)}
    sentences = tuple(claims.claims(found))
    files[REPORT] = report.report(found, sentences, told, [*tables.values()], provenance.provenance(found))
    return Drawing(found, tables, sentences, told, files)


def _pretrained(workspace: Workspace, record: Record) -> Callable[[], np.ndarray | None]:
    """What gives the stored features of a study's images, of a backbone with weights that were trained."""

    def read() -> np.ndarray | None:
        for training in plan.trainings(record, record.grid.trials()):
            wanted = training.artifacts().get("test")
            if wanted and wanted.weights.source != "random" and not wanted.cut and features.is_ready(workspace, wanted):
                return features.load(workspace, wanted)
        return None

    return read


def _sets(record: Record) -> set[str]:
    """Names of the test examples of all rows."""
    return {record.split_of(row) for row in record.grid.rows}


def _looks(workspace: Workspace, record: Record) -> int:
    """How many studies of this workspace, this one included, have looked at these test images."""
    found = 1
    for name in workspace.studies():
        other = records.read(workspace.study(name)) if name != record.name else None
        seen = other and other.inputs.digest == record.inputs.digest and _sets(other) & _sets(record)
        found += bool(seen and workspace.study(name).selection.is_file())
    return found


def write(workspace: Workspace, drawing: Drawing) -> None:
    folder = workspace.study(drawing.findings.record.name)
    for name, content in drawing.files.items():
        write_text(folder.path / name, content)


def outcome(workspace: Workspace, drawing: Drawing, trained: int) -> Outcome:
    """What is to be said of a study that is drawn."""
    unfinished = [
        (t.row, t.seed, r.outcome if r else NOT_RUN, r.reason if r else "")
        for t, r in drawing.findings.results.items()
        if not (r and r.done)
    ]
    folder = workspace.study(drawing.findings.record.name).path
    main = next(iter(drawing.tables.values()))
    return Outcome(folder, main, trained, tuple(unfinished), drawing.claims, drawing.caveats)


def drawn_again(workspace: Workspace, name: str, look: Look) -> Drawing:
    """A study drawn from its files alone; writes nothing. Raises AblateError where there is no such study."""
    check_name(name)
    record = records.need(workspace, name)
    return draw(workspace, record, findings.collect(workspace, record), selection.read(workspace, record), look)


def redraw(workspace: Workspace, name: str, look: Look) -> Outcome:
    """The tables of a study again."""
    drawing = drawn_again(workspace, name, look)
    write(workspace, drawing)
    return outcome(workspace, drawing, 0)
