"""A forecast as people read it, and as one JSON object."""

from collections.abc import Iterator, Sequence
from typing import Any

from ablation.durations import duration
from ablation.grids.grid import Trial
from ablation.grids.levels import short
from ablation.planning.plan import Job
from ablation.planning.schedule import of_job, seconds
from ablation.workflows.forecast import Forecast


def as_json(found: Forecast) -> dict[str, Any]:
    """Times in seconds, sizes in bytes."""
    trials = [trial for job in found.jobs for trial in job.answers]
    grid = found.record.grid
    return {
        "study": found.record.name,
        "rows": len(grid.rows),
        "trials": len(trials),
        "trials_done": sum(len(job.answers) - len(job.missing) - len(job.diverged) for job in found.jobs),
        "trials_diverged": sum(len(job.diverged) for job in found.jobs),
        "seeds": len(grid.seeds),
        "replicates": len(grid.replicates),
        "shared": grid.factors.shared,
        "epochs": sum(job.training.steps for job in found.jobs),
        "epochs_without_sharing": sum(trial.step for trial in trials),
        "epochs_left": sum(job.epochs_left for job in found.jobs),
        "trainings": [_job(found, job) for job in found.jobs],
        "features": [
            {"key": key, "images": images, "seconds": found.costs.artifacts[key]} for key, images in found.made.items()
        ],
        "slots": [vars(slot) for slot in found.slots],
        "seconds": found.seconds if found.timed else None,
        "memory": {"workers": found.memory, "orchestrator": found.orchestrator, "free": found.memory_free},
        "disk": {**found.disk, "total": sum(found.disk.values()), "free": found.disk_free},
        "budget": _budget(found),
        "notes": list(found.record.notes),
    }


def _job(found: Forecast, job: Job) -> dict[str, Any]:
    """One training. `fits`: the epochs up to which it is trained within the budget; None without one."""
    shown = found.record.shown(job.training.condition)
    chosen = [trial for trial in job.missing if trial.row in found.fits]
    return {
        "training": job.training.key,
        "answers": [
            {"row": trial.row, "epochs": trial.step, "done": trial not in (*job.missing, *job.diverged)}
            for trial in job.answers
        ],
        "seed": job.training.seed,
        "levels": {name: shown[name] for name in found.record.grid.varying if name != found.record.grid.factors.shared},
        **job.training.described(),
        "epochs_left": job.epochs_left,
        "state": job.state,
        "start": job.start,
        "seconds": of_job(job, found.rows, found.costs),
        "fits": None if found.budget is None else max((t.step for t in chosen), default=0),
    }


def _budget(found: Forecast) -> dict[str, Any] | None:
    if found.budget is None:
        return None
    finished = set(range(1, len(found.record.grid.rows) + 1)) - found.rows
    return {
        "asked": found.budget,
        "seconds": seconds(found.jobs, found.fits, found.costs),
        "rows": sorted(finished | found.fits),
        "left_out": sorted(found.rows - found.fits),
        "reference_seconds": seconds(found.jobs, {found.record.grid.reference}, found.costs),
    }


def draw(found: Forecast) -> str:
    """The table of trainings, then the totals."""
    made = f"{getattr(found.record.experiment, 'made', 'artifacts')}: {{:,}} {found.record.noun}s to compute, {{}}"
    return "\n".join([*_table(found), "", *_totals(as_json(found), made)])


def _table(found: Forecast) -> Iterator[str]:
    """Yield a line for each training, with the factors in which rows differ; columns of numbers stand on the right."""
    factors = [
        name for name in found.record.grid.varying if name != found.record.grid.factors.shared
    ]  # those stand beside the rows
    shared = found.record.grid.factors.shared
    titles = {
        "rows": f"rows ({shared})" if shared else "rows",
        "seed": "seed",
        **{name: found.record.grid.titles[name] for name in factors},
        "left": f"{shared or 'steps'} left",
        "state": "state",
        "time": "time",
        "fits": "fits",
    }
    lines = [titles, *(_line(found, job, factors) for job in found.jobs)]
    hidden = {"seed": len({job.training.seed for job in found.jobs}) == 1, "fits": found.budget is None}
    shown = [key for key in titles if not hidden.get(key)]
    wide = {key: max(len(line[key]) for line in lines) for key in shown}
    numbers = {name for name in factors if all(not isinstance(getattr(r, name), str) for r in found.record.grid.rows)}
    right = {"seed", "left", "time", *numbers}
    for line in lines:
        cells = [line[k].rjust(wide[k]) if k in right else line[k].ljust(wide[k]) for k in shown]
        yield "  ".join(cells).rstrip()


def _line(found: Forecast, job: Job, factors: Sequence[str]) -> dict[str, str]:
    levels = found.record.shown(job.training.condition)
    return {
        "rows": ", ".join(_answer(found, trial) for trial in job.answers),
        "seed": str(job.training.seed),
        **{name: short(name, levels[name]) for name in factors},
        "left": str(job.epochs_left),
        "state": job.state,
        "time": duration(of_job(job, found.rows, found.costs)) if job.missing else "",
        "fits": _fits(found, job),
    }


def _answer(found: Forecast, trial: Trial) -> str:
    return f"{trial.row} ({trial.step})" if found.record.grid.factors.shared else str(trial.row)


def _fits(found: Forecast, job: Job) -> str:
    fits = [trial.step for trial in job.missing if trial.row in found.fits]
    if not job.missing or len(fits) == len(job.missing):
        return "yes"
    unit = found.record.grid.factors.shared.removesuffix("s") or "step"
    return f"to {unit} {max(fits)}" if fits else "no"


def _totals(said: dict[str, Any], made: str) -> Iterator[str]:
    trainings = said["trainings"]
    again = f" and {said['replicates']} replicates of the reference" if said["replicates"] else ""
    many = (f" x {said['seeds']} seeds" if said["seeds"] > 1 else "") + again
    trials = f"{many} are {said['trials']} trials," if many else ""
    shared = said["epochs_without_sharing"]
    instead = f" instead of {shared:,}" if shared > said["epochs"] else ""
    yield f"{_count(said['rows'], 'row')}{trials} in {_count(len(trainings), 'training')}: " + (
        f"{said['epochs']:,} {said['shared'] or 'step' + ('s' if said['epochs'] != 1 else '')}{instead}"
    )
    lost = said["trials_diverged"]
    diverged = f"; {lost} diverged (--retry diverged)" if lost else ""
    yield f"done already: {said['trials_done']} of {said['trials']} trials{diverged}"
    if said["trials_done"] + lost == said["trials"]:
        yield "nothing to train" + ("" if lost else ": every row is there")
        return
    for artifact in said["features"]:
        yield made.format(artifact["images"], duration(artifact["seconds"]))
    threads = _count(said["slots"][0]["threads"], "thread")
    if said["seconds"] is None:
        yield "time: not known until a training of this experiment has run in this workspace"
        return
    yield f"time: {duration(said['seconds'])} on {_count(len(said['slots']), 'slot')} with {threads}"
    memory, disk = said["memory"], said["disk"]
    yield (
        f"memory: {size(memory['workers'] + memory['orchestrator'])} at the peak "
        f"(workers {size(memory['workers'])}, the command {size(memory['orchestrator'])}); {size(memory['free'])} free"
    )
    parts = ", ".join(f"{name} {size(disk[name])}" for name in disk if name not in ("total", "free") and disk[name])
    yield f"disk: {size(disk['total'])} at the peak ({parts}); {size(disk['free'])} free"
    if said["budget"]:
        yield _within(said["budget"], said["rows"])


def _within(budget: dict[str, Any], rows: int) -> str:
    asked = duration(budget["asked"])
    if len(budget["rows"]) == rows:
        return f"budget {asked}: all {rows} rows fit, in {duration(budget['seconds'])}"
    if not budget["seconds"] and budget["reference_seconds"]:
        return f"budget {asked}: not even the reference row fits, which takes {duration(budget['reference_seconds'])}"
    listed = ", ".join(map(str, budget["rows"]))
    return f"budget {asked}: {len(budget['rows'])} of {rows} rows fit ({listed}), in {duration(budget['seconds'])}"


def _count(n: int, word: str) -> str:
    return f"{n:,} {word}" if n == 1 else f"{n:,} {word}s"


def size(n: float) -> str:
    """Bytes as 3.2 GiB, 71 MiB or 4 KiB."""
    for unit, power in (("GiB", 30), ("MiB", 20)):
        if n >= 2**power:
            value = n / 2**power
            return f"{value:.1f} {unit}" if value < 10 else f"{value:,.0f} {unit}"
    return f"{-(-n // 1024):.0f} KiB"
