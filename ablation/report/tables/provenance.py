"""Provenance of the numbers: everything that a reader needs to judge or to reproduce a study."""

import hashlib
from collections import Counter
from collections.abc import Iterator

from ablation.analysis.selection import NOT_SEALED
from ablation.analysis.study_analysis import StudyAnalysis
from ablation.report.tables.dataframes import NOT_RUN
from ablation.store.study_history import changed_keys
from ablation.study.levels import short


def study_digest(study: StudyAnalysis) -> str:
    """Return a digest of the study as it was requested: 16 hexadecimal digits of its record's SHA-256."""
    return hashlib.sha256(study.record.model_dump_json().encode()).hexdigest()[:16]


def _data(study: StudyAnalysis) -> Iterator[tuple[str, str]]:
    record = study.record
    yield "data", record.data
    yield from record.inputs.provenance()


def _design(study: StudyAnalysis) -> Iterator[tuple[str, str]]:
    grid = study.record.grid
    yield "rows", f"{len(grid.rows):,}"
    yield (
        grid.replication,
        ", ".join(map(str, grid.seeds)) + (f"; replicates {grid.replicates}" if grid.replicates else ""),
    )
    if not grid.is_imported:
        yield "split seed", str(grid.split_seed)
    for factor in grid.factors.names:
        levels = list(dict.fromkeys(short(factor, study.record.shown(row)[factor]) for row in grid.rows))
        yield factor.replace("_", " "), ", ".join(levels[:20]) + (" ..." if len(levels) > 20 else "")
    if not grid.is_imported:
        yield "set on the command line", ", ".join(f"{k}={v}" for k, v in grid.settings.items()) or "nothing"


def _runs(study: StudyAnalysis) -> Iterator[tuple[str, str]]:
    outcomes = Counter(r.outcome if r else NOT_RUN for r in study.results.values())
    yield "trials", ", ".join(f"{n:,} {outcome}" for outcome, n in outcomes.most_common())
    ran = [r for r in study.results.values() if r]
    # Starts of each training. The largest number counts: an early row of a shared training may have an earlier number.
    starts: dict[str, int] = {}
    for trial, result in study.results.items():
        key = study.record.training_key(trial)
        starts[key] = max(starts.get(key, 0), result.attempts if result else 0)
    if study.record.grid.is_imported:
        return
    yield "training starts, retries included", f"{sum(starts.values()):,}"
    yield "trainings that were started more than once", f"{sum(n > 1 for n in starts.values()):,}"
    yield "trainable parameters", ", ".join(f"{n:,}" for n in sorted({r.parameters for r in ran if r.parameters})[:20])
    yield "seconds of training, as if each row was trained alone", f"{sum(r.seconds for r in ran):,.0f}"
    environments: dict[str, Counter[str]] = {}
    for result in ran:
        for key, value in result.environment.items():
            environments.setdefault(key, Counter())[str(value)] += 1
    for key, values in environments.items():
        yield key, "; ".join(f"{v} ({n} trials)" if values.keys() - {v} else v for v, n in values.most_common(5))


def _study_file(study: StudyAnalysis) -> Iterator[tuple[str, str]]:
    """Yield the study file of each run that used another one than the run before, with its time."""
    if not study.study_files:
        yield "study file at the first run", "not recorded"
    for place, version in enumerate(study.study_files):
        name = "study file, changed" if place else "study file" + (" at the first run" if version.is_first else "")
        files = ", ".join(f"{file.name} (sha256 {file.sha256})" for file in version.files)
        changed = changed_keys(study.study_files[place - 1], version) if place else []
        yield f"{name}, {version.time}", files + (f"; changed keys: {', '.join(changed)}" if changed else "")


def provenance(study: StudyAnalysis) -> list[tuple[str, str]]:
    """Return the (name, value) lines of the provenance section, in the order of the report."""
    sealed = study.sealed
    rule = "none yet"
    if sealed and study.record.grid.is_imported:
        rule = f"{sealed.rule}; {sealed.sealed}, {NOT_SEALED[0].lower()}{NOT_SEALED[1:-1]}"
    elif sealed:
        rule = f"{sealed.rule}; sealed {sealed.sealed}, validation predictions {sealed.validation}"
    head = [("study", study.record.name), ("title", study.record.grid.title), ("study (sha256)", study_digest(study))]
    if study.record.grid.is_imported:
        return [*head, *_data(study), *_design(study), ("selection", rule), *_runs(study)]
    backend = [
        ("backend", study.record.inputs.backend),
        ("training recipe", f"version {study.record.grid.factors.version}"),
        ("selection", rule),
    ]
    return [*head, *_study_file(study), *_data(study), *_design(study), *backend, *_runs(study)]
