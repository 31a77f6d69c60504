"""Warning about rows that were trained with different code."""

from functools import cache

from ablation.analysis.check_context import CheckContext
from ablation.experiments.user_code import UserCode, Version
from ablation.model.diagnostic import Diagnostic
from ablation.model.phrases import listed, which
from ablation.store import code, result
from ablation.store.record import Record
from ablation.store.workspace import Workspace

SHOWN = 3  # files that a sentence names


def versions(workspace: Workspace, record: Record) -> dict[int, set[Version]]:
    """Return row -> versions of the code that its trainings ran. Comments and layout of Python files mean nothing."""

    @cache
    def meaning(path: str, sha256: str) -> str:
        text = code.stored(workspace, sha256)
        return sha256 if text is None else code.digest(code.meaning(path, text))

    rows: dict[int, set[Version]] = {}
    for trial in record.grid.trials():
        folder = workspace.training(record.training_key(trial))
        digests = code.of_training(folder)
        if not digests or not result.is_done(folder, trial.step):
            continue
        for ran in (digests, *code.earlier(folder)):
            version = tuple((path, meaning(path, sha256)) for path, sha256 in sorted(ran.items()))
            rows.setdefault(trial.row, set()).add(version)
    return rows


def mixed_code(context: CheckContext) -> Diagnostic | None:
    """Warn where trainings of the rows ran different code."""
    facts: UserCode = context.examined
    rows = facts.versions
    versions_of_all = {version for of_row in rows.values() for version in of_row}
    if len(versions_of_all) < 2:
        return None
    reference = rows.get(context.grid.reference) or next(iter(rows.values()))
    others = tuple(sorted(row for row, of_row in rows.items() if of_row != reference))
    by_path: dict[str, set[str]] = {}
    for version in versions_of_all:
        for path, meaning in version:
            by_path.setdefault(path, set()).add(meaning)
    n_versions = len(versions_of_all)
    paths = [p for p, m in by_path.items() if len(m) > 1 or sum(p in dict(v) for v in versions_of_all) < n_versions]
    more = f", and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    mixed = tuple(sorted(row for row, of_row in rows.items() if len(of_row) > 1))
    within = [f"trainings of {which(mixed)} ran different code"] if mixed else []
    between = [f"{which(others)} ran other code than the reference"] if others else []
    apart = " and ".join([*between, *within])
    return Diagnostic(
        "MIXED_CODE",
        f"{apart[:1].upper()}{apart[1:]}: {listed(paths[:SHOWN])}{more} changed between trainings.",
        "A difference between these rows may be that of the code.",
        "Train all rows with one version: ablate run --code retrain.",
        tuple(sorted({*others, *mixed})),
    )
