"""Provenance of the numbers: an ordered account of everything that a reader needs to judge or to repeat a study."""

import hashlib
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ablation.analysis.code_of_rows import CodeOfRows
from ablation.analysis.selection import NOT_SEALED
from ablation.analysis.study_analysis import StudyAnalysis
from ablation.model.phrases import listed, plural, which
from ablation.report.tables.dataframes import NOT_RUN
from ablation.store.study_history import changed_keys
from ablation.study.levels import short
from ablation.study.shipped_studies import shipped
from ablation.study.study_file import StudyText

MOST = 20  # levels of a factor, failures, or numbers of parameters that are listed
FILES = ("table.csv", "table.tex", "table.md", "macros.tex")  # files that the command of verification names

Fact = tuple[str, str]


@dataclass(frozen=True)
class Chapter:
    """Part of the account.

    Attributes:
        title: heading.
        description: one or two sentences on what the facts mean; "" for none.
        facts: (name, value) pairs; pairs without a value are left out.
    """

    title: str
    description: str
    facts: tuple[Fact, ...]


def provenance(study: StudyAnalysis, code: Sequence[CodeOfRows] = ()) -> list[Chapter]:
    """Return the account in the order of the report; chapters without facts are left out.

    Args:
        study: analysis of the study.
        code: code that the rows ran; see `ablation.analysis.code_of_rows`.
    """
    imported = study.record.grid.is_imported
    chapters = [
        _chapter("Question", "", _question(study)),
        _chapter("When the rows were stated", *_stated(study)),
        _chapter("Data", "", _data(study)),
        _chapter("Code", CODE if code else "", _code(study, code)),
        _chapter("Runs", "", _runs(study)),
        _chapter("Versions, machines and devices", "", _environments(study)),
        _chapter("Selection, and what was opened when", "" if imported else SEAL, _selection(study)),
        _chapter("How to check and repeat", CHECK_IMPORTED if imported else CHECK, _commands(study)),
    ]
    return [chapter for chapter in chapters if chapter.facts]


SEAL = "The selection is written before test predictions are opened. Times are UTC."
CHECK = (
    "The first command, typed in the workspace (the folder runs), recomputes every number of the tables from the "
    "stored results. The second, typed next to the study file, trains all rows again in a new workspace; equal numbers "
    "need the study file, data, code, versions, processor, threads and device that are listed above."
)
TEXTS = "Texts of all versions are in the file study-files.jsonl of the study."
CODE = "Digests are SHA-256 of a file's text; the workspace keeps the texts in cache/code."
CHECK_IMPORTED = (
    "The command, typed in the workspace (the folder runs), recomputes every number of the tables from the imported "
    "results, and compares these with their source."
)


def _chapter(title: str, description: str, facts: Iterable[Fact]) -> Chapter:
    return Chapter(title, description, tuple((name, value) for name, value in facts if value))


def study_digest(study: StudyAnalysis) -> str:
    """Return a digest of the study as it was requested: 16 hexadecimal digits of its record's SHA-256."""
    return hashlib.sha256(study.record.model_dump_json().encode()).hexdigest()[:16]


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _cut(texts: Iterable[str]) -> str:
    """Return up to MOST texts, joined by commas."""
    every = list(texts)
    return ", ".join(every[:MOST]) + (f", and {len(every) - MOST:,} more" if len(every) > MOST else "")


def _question(study: StudyAnalysis) -> Iterator[Fact]:
    """Yield what is compared: rows, levels, replicates, measure and reference."""
    record, grid = study.record, study.record.grid
    yield "study", record.name
    yield "study (sha256 of its record)", study_digest(study)
    yield "rows", f"{len(grid.rows):,}; the others are compared with row {grid.reference}"
    for factor in grid.varying:
        levels = dict.fromkeys(short(factor, record.shown(row)[factor]) for row in grid.rows)
        yield f"levels of {grid.word(factor)}", _cut(levels)
    replicates = f"; {_cut(map(str, grid.replicates))} for replicates of the reference" if grid.replicates else ""
    yield grid.replication, _cut(map(str, grid.seeds)) + replicates
    yield "measure whose differences are tested", record.compared(record.primary)
    yield "equivalence margin", "" if grid.margin is None else record.primary.size(grid.margin, 2)
    if not grid.is_imported:
        yield "split seed", str(grid.split_seed)
        yield "set on the command line", ", ".join(f"{k}={v}" for k, v in grid.settings.items()) or "nothing"


def _stated(study: StudyAnalysis) -> tuple[str, list[Fact]]:
    """Return a sentence, and the study file of each run that used another one than the run before, with its time."""
    versions, facts = study.study_files, []
    if study.record.grid.is_imported and not versions:
        return "", []
    for place, stated in enumerate(versions):
        name = "changed study file" if place else "study file" + (" of the first run" if stated.is_first else "")
        files = listed(f"{file.name} (sha256 {file.sha256})" for file in stated.files)
        keys = changed_keys(versions[place - 1], stated) if place else []
        facts.append((f"{stated.time}, {name}", files + (f"; changed keys: {', '.join(keys)}" if keys else "")))
    if not versions:
        return "", [("study file of the first run", "not recorded")]
    first = "its first run" if versions[0].is_first else "it was first recorded, which was after the first run"
    n_changes = {1: "has not changed", 2: "was changed once"}.get(
        len(versions), f"was changed {len(versions) - 1} times"
    )
    return f"The study file {n_changes} since {first}. {TEXTS}", facts


def _data(study: StudyAnalysis) -> Iterator[Fact]:
    record = study.record
    yield "data", record.data
    yield from record.inputs.provenance()
    yield "left out, not readable", _cut(record.inputs.left_out)


def _code(study: StudyAnalysis, files: Sequence[CodeOfRows]) -> Iterator[Fact]:
    """Yield the program, and each text of its files with the rows that ran it."""
    record = study.record
    if record.grid.is_imported:
        return
    yield from record.inputs.program()
    yield "experiment", f"{record.grid.factors.experiment}, version {record.grid.factors.version}"
    yield "backend", record.inputs.backend
    for file in files:
        yield file.path + ("" if file.is_current else ", another version"), _text_of_rows(file)


def _text_of_rows(file: CodeOfRows) -> str:
    """Return the digest of a text, the rows that ran it, and the user's decision, in words."""
    ran = f"ran in {which(file.rows)}" if file.rows else "ran in no finished training"
    kept = "; these results were kept when the file changed (--code keep)" if file.is_kept else ""
    return f"{file.sha256}; {ran}{kept}"


def _starts(study: StudyAnalysis) -> dict[str, int]:
    """Return training -> number of its starts.

    The largest number counts: an early row of a shared training may have an earlier number.
    """
    starts: dict[str, int] = {}
    for trial, result in study.results.items():
        key = study.record.training_key(trial)
        starts[key] = max(starts.get(key, 0), result.attempts if result else 0)
    return starts


def _runs(study: StudyAnalysis) -> Iterator[Fact]:
    """Yield all runs: outcomes, failures with their reasons, starts, times and sizes."""
    outcomes = Counter(r.outcome if r else NOT_RUN for r in study.results.values())
    yield "trials", ", ".join(f"{n:,} {outcome}" for outcome, n in outcomes.most_common())
    failures = [(t, r) for t, r in study.results.items() if r and not r.done]
    for trial, result in failures[:MOST]:
        yield f"row {trial.row}, seed {trial.seed}", f"{result.outcome}: {result.reason}".rstrip(": ")
    yield "more failures", f"{len(failures) - MOST:,}, in trials.csv" if len(failures) > MOST else ""
    if study.record.grid.is_imported:
        return
    ran, starts = [r for r in study.results.values() if r], _starts(study)
    imported = sum(study.record.is_imported(trial) for trial in study.results)
    yield "imported trials", f"{imported:,} from {study.record.imports.source}" if imported else ""
    yield "training starts, retries included", f"{sum(starts.values()):,}"
    yield "trainings that were started more than once", f"{sum(n > 1 for n in starts.values()):,}"
    times = [r for r in ran if r.started and r.finished]
    yield (
        "first start, last end",
        (f"{_time(min(r.started for r in times))}, {_time(max(r.finished for r in times))}" if times else ""),
    )
    yield "seconds of training, as if each row was trained alone", f"{sum(r.seconds for r in ran):,.0f}"
    yield "trainable parameters", _cut(f"{n:,}" for n in sorted({r.parameters for r in ran if r.parameters}))


def _environments(study: StudyAnalysis) -> Iterator[Fact]:
    """Yield each value of the environments of the trials, with the number of trials where there are several values."""
    environments: dict[str, Counter[str]] = {}
    for result in filter(None, study.results.values()):
        for key, value in result.environment.items():
            environments.setdefault(key, Counter())[str(value)] += 1
    for key, values in environments.items():
        several = len(values) > 1
        texts = [f"{v or 'unset'} ({plural(n, 'trial')})" if several else v for v, n in values.most_common(5)]
        yield key, "; ".join(texts)


def _selection(study: StudyAnalysis) -> Iterator[Fact]:
    """Yield the rule, each seal in order of time, and what was opened after it."""
    sealed, record = study.sealed, study.record
    if not sealed:
        yield "selection", "none yet; test predictions are not opened"
        return
    if record.grid.is_imported:
        yield "selection", f"{sealed.rule}; {sealed.sealed}, {NOT_SEALED[0].lower()}{NOT_SEALED[1:-1]}"
        return
    yield "rule", sealed.rule
    earlier = list(sealed.earlier)
    for place, seal in enumerate([*earlier, sealed.model_dump()]):
        row = f"row {seal['row']} selected" if seal.get("row") else "no row selected"
        state = " (replaced by the next)" if place < len(earlier) else ""
        rule = f" by {seal['rule']}" if seal["rule"] != sealed.rule else ""
        yield f"{seal['sealed']}, sealed", f"{row}{rule}{state}; validation predictions {seal['validation']}"
    first = earlier[0]["sealed"] if earlier else sealed.sealed
    if record.grid.on_test:
        yield "test predictions", "opened before the selection: the rule uses test scores"
    else:
        yield "test predictions", f"not opened before {first}"
    for evaluation in study.evaluations:
        yield f"{_time(evaluation.measured)}, other data", f"row {evaluation.row} evaluated on {evaluation.place}"


def _grid_name(file: StudyText) -> str:
    """Return a study file as --grid takes it: the name of a shipped study, otherwise the name of the file."""
    name = file.name.removesuffix(".toml")
    own = shipped().get(name)
    return name if own and own.read_text(encoding="utf-8") == file.text else file.name


def _commands(study: StudyAnalysis) -> Iterator[Fact]:
    """Yield the commands that check and repeat the study.

    They name no path of the workspace, so that the report of a workspace that was moved stays the same.
    """
    record, grid = study.record, study.record.grid
    source = ["--source"] if grid.is_imported else []
    yield "check", shlex.join(["ablate", "verify", *(f"{record.name}/{name}" for name in FILES), *source])
    if grid.is_imported:
        return
    files = study.study_files[-1].files if study.study_files else ()
    grids = ",".join(map(_grid_name, files)) or grid.stem
    options = ["--data", record.data] if record.data else []
    options += [option for k, v in grid.settings.items() for option in ("--set", f"{k}={v}")]
    if not grid.folds:
        options += ["--seeds", ",".join(map(str, grid.seeds)) + ("," if len(grid.seeds) == 1 else "")]
    options += ["--replicate-reference", str(len(grid.replicates))] if grid.replicates else []
    names = ["--name", record.name, "--workspace", "repeated"]
    yield "repeat", shlex.join(["ablate", "run", "--grid", grids, *options, *names])
