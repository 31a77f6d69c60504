"""Forecast of a study as text for people, and as one JSON object."""

from collections.abc import Iterator, Sequence
from typing import Any

from ablation.durations import duration
from ablation.engine.plan import Job
from ablation.engine.total_cost import of_job, seconds
from ablation.study.grid import Trial
from ablation.study.levels import short
from ablation.workflows.forecast import Forecast


def as_json(forecast: Forecast) -> dict[str, Any]:
    """Return the forecast as a dict for JSON. Times are in seconds, sizes in bytes."""
    trials = [trial for job in forecast.jobs for trial in job.answers]
    grid = forecast.record.grid
    return {
        "study": forecast.record.name,
        "rows": len(grid.rows),
        "trials": len(trials),
        "trials_done": sum(len(job.answers) - len(job.missing) - len(job.diverged) for job in forecast.jobs),
        "trials_diverged": sum(len(job.diverged) for job in forecast.jobs),
        "seeds": len(grid.seeds),
        "replicates": len(grid.replicates),
        "shared": grid.factors.shared,
        "epochs": sum(job.training.steps for job in forecast.jobs),
        "epochs_without_sharing": sum(trial.step for trial in trials),
        "epochs_left": sum(job.epochs_left for job in forecast.jobs),
        "trainings": [_job(forecast, job) for job in forecast.jobs],
        "features": [
            {"key": key, "images": images, "seconds": forecast.costs.artifacts[key]}
            for key, images in forecast.made.items()
        ],
        "slots": [vars(slot) for slot in forecast.slots],
        "seconds": forecast.seconds if forecast.timed else None,
        "memory": {"workers": forecast.memory, "orchestrator": forecast.orchestrator, "free": forecast.memory_free},
        "disk": {**forecast.disk, "total": sum(forecast.disk.values()), "free": forecast.disk_free},
        "budget": _budget(forecast),
        "notes": list(forecast.record.notes),
    }


def _job(forecast: Forecast, job: Job) -> dict[str, Any]:
    """Return one training as a dict for JSON.

    `fits`: the epochs up to which the training runs within the budget; None without a budget.
    """
    shown = forecast.record.shown(job.training.condition)
    chosen = [trial for trial in job.missing if trial.row in forecast.fits]
    return {
        "training": job.training.key,
        "answers": [
            {"row": trial.row, "epochs": trial.step, "done": trial not in (*job.missing, *job.diverged)}
            for trial in job.answers
        ],
        "seed": job.training.seed,
        "levels": {
            name: shown[name] for name in forecast.record.grid.varying if name != forecast.record.grid.factors.shared
        },
        **job.training.described(),
        "epochs_left": job.epochs_left,
        "state": job.state,
        "start": job.start,
        "seconds": of_job(job, forecast.rows, forecast.costs),
        "fits": None if forecast.budget is None else max((t.step for t in chosen), default=0),
    }


def _budget(forecast: Forecast) -> dict[str, Any] | None:
    if forecast.budget is None:
        return None
    finished = set(range(1, len(forecast.record.grid.rows) + 1)) - forecast.rows
    return {
        "asked": forecast.budget,
        "seconds": seconds(forecast.jobs, forecast.fits, forecast.costs),
        "rows": sorted(finished | forecast.fits),
        "left_out": sorted(forecast.rows - forecast.fits),
        "reference_seconds": seconds(forecast.jobs, {forecast.record.grid.reference}, forecast.costs),
    }


def draw(forecast: Forecast) -> str:
    """Return the table of trainings, then the totals."""
    made = (
        f"{getattr(forecast.record.experiment, 'made', 'artifacts')}: {{:,}} {forecast.record.noun}s to compute, {{}}"
    )
    return "\n".join([*_table(forecast), "", *_totals(as_json(forecast), made)])


def _table(forecast: Forecast) -> Iterator[str]:
    """Yield a line per training, with the factors in which rows differ; columns of numbers are right-aligned."""
    # The levels of the shared factor are in the column of rows.
    factors = [name for name in forecast.record.grid.varying if name != forecast.record.grid.factors.shared]
    shared = forecast.record.grid.factors.shared
    titles = {
        "rows": f"rows ({shared})" if shared else "rows",
        "seed": "seed",
        **{name: forecast.record.grid.titles[name] for name in factors},
        "left": f"{shared or 'steps'} left",
        "state": "state",
        "time": "time",
        "fits": "fits",
    }
    lines = [titles, *(_line(forecast, job, factors) for job in forecast.jobs)]
    hidden = {"seed": len({job.training.seed for job in forecast.jobs}) == 1, "fits": forecast.budget is None}
    shown = [key for key in titles if not hidden.get(key)]
    wide = {key: max(len(line[key]) for line in lines) for key in shown}
    numbers = {
        name for name in factors if all(not isinstance(getattr(r, name), str) for r in forecast.record.grid.rows)
    }
    right = {"seed", "left", "time", *numbers}
    for line in lines:
        cells = [line[k].rjust(wide[k]) if k in right else line[k].ljust(wide[k]) for k in shown]
        yield "  ".join(cells).rstrip()


def _line(forecast: Forecast, job: Job, factors: Sequence[str]) -> dict[str, str]:
    levels = forecast.record.shown(job.training.condition)
    return {
        "rows": ", ".join(_answer(forecast, trial) for trial in job.answers),
        "seed": str(job.training.seed),
        **{name: short(name, levels[name]) for name in factors},
        "left": str(job.epochs_left),
        "state": job.state,
        "time": _time(forecast, job) if job.missing else "",
        "fits": _fits(forecast, job),
    }


def _time(forecast: Forecast, job: Job) -> str:
    return duration(of_job(job, forecast.rows, forecast.costs)) if forecast.timed else "?"


def _answer(forecast: Forecast, trial: Trial) -> str:
    return f"{trial.row} ({trial.step})" if forecast.record.grid.factors.shared else str(trial.row)


def _fits(forecast: Forecast, job: Job) -> str:
    fits = [trial.step for trial in job.missing if trial.row in forecast.fits]
    if job.missing and not forecast.timed:
        return "?"
    if not job.missing or len(fits) == len(job.missing):
        return "yes"
    unit = forecast.record.grid.factors.shared.removesuffix("s") or "step"
    return f"to {unit} {max(fits)}" if fits else "no"


def _totals(plan: dict[str, Any], made: str) -> Iterator[str]:
    trainings = plan["trainings"]
    replicates = f" and {plan['replicates']} replicates of the reference" if plan["replicates"] else ""
    counts = (f" x {plan['seeds']} seeds" if plan["seeds"] > 1 else "") + replicates
    trials = f"{counts} are {plan['trials']} trials," if counts else ""
    shared = plan["epochs_without_sharing"]
    unshared = f" instead of {shared:,} without shared trainings" if shared > plan["epochs"] else ""
    yield f"{_count(plan['rows'], 'row')}{trials} in {_count(len(trainings), 'training')}: " + (
        f"{plan['epochs']:,} {plan['shared'] or 'step' + ('s' if plan['epochs'] != 1 else '')}{unshared}"
    )
    n_diverged = plan["trials_diverged"]
    diverged = f"; {n_diverged} diverged (--retry diverged)" if n_diverged else ""
    yield f"done already: {plan['trials_done']} of {plan['trials']} trials{diverged}"
    if plan["trials_done"] + n_diverged == plan["trials"]:
        yield "nothing to train" + ("" if n_diverged else ": every row has its result")
        return
    for artifact in plan["features"]:
        yield made.format(artifact["images"], duration(artifact["seconds"]))
    threads = _count(plan["slots"][0]["threads"], "thread")
    if plan["seconds"] is None:
        yield "time: unknown until a training of this experiment has run in this workspace"
        return
    yield f"time: {duration(plan['seconds'])} on {_count(len(plan['slots']), 'slot')} with {threads}"
    memory, disk = plan["memory"], plan["disk"]
    yield (
        f"memory: {size(memory['workers'] + memory['orchestrator'])} at the peak "
        f"(workers {size(memory['workers'])}, the command {size(memory['orchestrator'])}); {size(memory['free'])} free"
    )
    parts = ", ".join(f"{name} {size(disk[name])}" for name in disk if name not in ("total", "free") and disk[name])
    yield f"disk: {size(disk['total'])} at the peak{f' ({parts})' if parts else ''}; {size(disk['free'])} free"
    if plan["budget"]:
        yield _within(plan["budget"], plan["rows"])


def _within(budget: dict[str, Any], rows: int) -> str:
    limit = duration(budget["asked"])
    if len(budget["rows"]) == rows:
        return f"budget {limit}: all {rows} rows fit, in {duration(budget['seconds'])}"
    if not budget["seconds"] and budget["reference_seconds"]:
        return f"budget {limit}: not even the reference row fits: it takes {duration(budget['reference_seconds'])}"
    listed = ", ".join(map(str, budget["rows"]))
    return f"budget {limit}: {len(budget['rows'])} of {rows} rows fit ({listed}), in {duration(budget['seconds'])}"


def _count(n: int, word: str) -> str:
    return f"{n:,} {word}" if n == 1 else f"{n:,} {word}s"


def size(n: float) -> str:
    """Return a number of bytes as text: 3.2 GiB, 71 MiB or 4 KiB."""
    for unit, power in (("GiB", 30), ("MiB", 20)):
        if n >= 2**power:
            value = n / 2**power
            return f"{value:.1f} {unit}" if value < 10 else f"{value:,.0f} {unit}"
    return f"{-(-n // 1024):.0f} KiB"
