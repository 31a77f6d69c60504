"""Where the numbers come from: everything that a reader needs to judge them or to make them again."""

import hashlib
from collections import Counter
from collections.abc import Iterator

from ablation.grids.levels import short
from ablation.results.findings import Findings
from ablation.tables.frames import NOT_RUN


def study_digest(found: Findings) -> str:
    """One name for the study as it was asked for: its grid and all digests."""
    return hashlib.sha256(found.record.model_dump_json().encode()).hexdigest()[:16]


def _data(found: Findings) -> Iterator[tuple[str, str]]:
    record = found.record
    yield "data", record.data
    yield from record.inputs.provenance()


def _design(found: Findings) -> Iterator[tuple[str, str]]:
    grid = found.record.grid
    yield "rows", f"{len(grid.rows):,}"
    yield "seeds", ", ".join(map(str, grid.seeds)) + (f"; replicates {grid.replicates}" if grid.replicates else "")
    yield "split seed", str(grid.split_seed)
    for factor in grid.factors.names:
        levels = list(dict.fromkeys(short(factor, found.record.shown(row)[factor]) for row in grid.rows))
        yield factor.replace("_", " "), ", ".join(levels[:20]) + (" ..." if len(levels) > 20 else "")
    yield "set on the command line", ", ".join(f"{k}={v}" for k, v in grid.settings.items()) or "nothing"


def _runs(found: Findings) -> Iterator[tuple[str, str]]:
    outcomes = Counter(r.outcome if r else NOT_RUN for r in found.results.values())
    yield "trials", ", ".join(f"{n:,} {outcome}" for outcome, n in outcomes.most_common())
    ran = [r for r in found.results.values() if r]
    starts: dict[str, int] = {}  # of a training: rows that share it say the same, or what it was until then
    for trial, each in found.results.items():
        key = found.record.training_key(trial)
        starts[key] = max(starts.get(key, 0), each.attempts if each else 0)
    yield "training starts, retries included", f"{sum(starts.values()):,}"
    yield "trainable parameters", ", ".join(f"{n:,}" for n in sorted({r.parameters for r in ran if r.parameters})[:20])
    yield "seconds of training, as if each row was trained alone", f"{sum(r.seconds for r in ran):,.0f}"
    environments: dict[str, Counter[str]] = {}
    for each in ran:
        for key, value in each.environment.items():
            environments.setdefault(key, Counter())[str(value)] += 1
    for key, values in environments.items():
        yield key, "; ".join(f"{v} ({n} trials)" if values.keys() - {v} else v for v, n in values.most_common(5))


def provenance(found: Findings) -> list[tuple[str, str]]:
    """Name and value, in the order in which they are read."""
    sealed = found.sealed
    rule = (
        f"{sealed.rule}; sealed {sealed.sealed}, validation predictions {sealed.validation}" if sealed else "none yet"
    )
    head = [("study", found.record.name), ("title", found.record.grid.title), ("study (sha256)", study_digest(found))]
    backend = [
        ("backend", found.record.inputs.backend),
        ("training recipe", f"version {found.record.grid.factors.version}"),
        ("selection", rule),
    ]
    return [*head, *_data(found), *_design(found), *backend, *_runs(found)]
