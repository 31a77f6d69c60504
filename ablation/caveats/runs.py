"""What became of the trials, and where they were trained."""

from collections import Counter
from collections.abc import Hashable

from ablation.caveats.caveat import MANY, Caveat, listed, plural, sentence, which
from ablation.caveats.known import Known
from ablation.outcomes import Status
from ablation.results.checkpoint import RECORDED

NOT_RUN = "not run"


def failed(known: Known) -> Caveat | None:
    """Replicates of the reference are no part of its row."""
    found: dict[str, list[int]] = {}
    trials = [(t, r) for t, r in known.findings.results.items() if not known.grid.is_replicate(t)]
    for trial, result in trials:
        if not (result and result.done):
            found.setdefault(result.outcome if result else NOT_RUN, []).append(trial.row)
    if not found:
        return None
    rows = sorted({row for some in found.values() for row in some})
    part = [row for row in rows if row in known.finished]
    many = sum(map(len, found.values()))
    said = "; ".join(f"{outcome}: {which(some)}" for outcome, some in found.items())
    fewer = f" {sentence(which(part, 'stands', 'stand'))} on fewer seeds." if part else ""
    retry = " (`--retry diverged` for what diverged)" if Status.DIVERGED in found else ""
    return Caveat(
        "FAILED_ROWS",
        f"{many:,} of {plural(len(trials), 'trial')} {'has' if many == 1 else 'have'} no result ({said}).{fewer}",
        "The best of the rows that are left need not be the best of all, and what failed may have failed because of "
        "its setting.",
        f"`ablate run` tries again{retry}; else keep the rows in the table, as they are.",
        tuple(rows),
    )


def not_ablated(known: Known) -> Caveat | None:
    """An error, whatever --strict names: such rows are one row under two names."""
    twins = known.findings.twins
    if not twins:
        return None
    rows = sorted({row for some in twins for row in some})
    return Caveat(
        "NOT_ABLATED",
        f"{listed([f'rows {listed(some)}' for some in twins])} state different settings, but the trainer had the same: "
        "network, weights, optimizer, batches, validation and test images.",
        "What they claim to vary changes nothing here, so that their difference says nothing.",
        "Look whether the factor acts on these data (class weights do not where classes are even), or drop one.",
        tuple(rows),
    )


def mixed(known: Known) -> Caveat | None:
    """What changes bits: processor, threads, device, versions."""
    results = [(row, result) for row, some in known.finished.items() for _, result in some]
    names = sorted({name for _, result in results for name in result.environment} - set(RECORDED))
    of = [(row, tuple(str(result.environment.get(name, "not known")) for name in names)) for row, result in results]
    kinds: Counter[Hashable] = Counter(environment for _, environment in of)
    if len(kinds) < 2:
        return None
    usual = kinds.most_common(1)[0][0]
    rows = sorted({row for row, environment in of if environment != usual})
    differing = []
    for place, name in enumerate(names):
        values = sorted({environment[place] or "unset" for _, environment in of})
        if len(values) > 1:
            differing.append(f"{name} ({', '.join(values[:MANY])})")
    return Caveat(
        "MIXED_ENVIRONMENT",
        f"The trials ran in {len(kinds)} environments, which differ in {listed(differing)}; "
        f"{which(rows, 'was', 'were')} not trained in the most frequent one.",
        "Another processor, number of threads or version gives other last bits, so a small part of a difference "
        "between rows can come from there.",
        "For equal bits, run the study in a new --workspace on one kind of machine with one kind of slot.",
        tuple(rows),
    )


def nondeterministic(known: Known) -> Caveat | None:
    """Of GPUs, JAX's compute the same bits each time; TensorFlow's op determinism is not turned on."""
    of = {
        row: {r.environment.get("device", "cpu") for _, r in some if not r.environment.get("deterministic")} - {"cpu"}
        for row, some in known.finished.items()
    }
    rows = [row for row, devices in of.items() if devices]
    if not rows:
        return None
    devices = sorted({str(device) for some in of.values() for device in some})
    return Caveat(
        "NONDETERMINISTIC",
        f"{sentence(which(rows, 'was', 'were'))} trained on a GPU ({listed(devices)}) without op determinism.",
        "The same trial, run again, gives slightly other numbers, and rows that share a training share its chance.",
        "Count differences as real only where they exceed those between seeds; a CPU gives equal bits.",
        tuple(rows),
    )
