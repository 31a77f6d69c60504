"""Hugging Face: trainer_state.json of an arm, or of the newest of its checkpoints."""

from typing import Any

from ablation.sources.readers.collector import course
from ablation.sources.readers.presets.job import Job, Preset, Results, as_notes, merged, named
from ablation.sources.readers.tree import natural
from ablation.sources.runs import flat

STATE, FINAL = "trainer_state.json", "all_results.json"
SETTINGS = (
    "max_steps", "num_train_epochs", "train_batch_size", "logging_steps", "eval_steps", "save_steps",
)  # fmt: skip
NOTES = ("best_metric", "best_model_checkpoint", "best_global_step", "global_step", "epoch", "total_flos", "trial_name")


def _state(job: Job) -> dict[str, Any]:
    """Return the state of the arm; of its newest checkpoint where the arm has none of its own."""
    if STATE in job.paths:
        return job.mapping(STATE)
    name = max((name for name in job.paths if name.endswith(f"/{STATE}")), key=natural)
    job.tree.remark("The state of an arm is that of its newest checkpoint", f"{job.folder}/{name}")
    return job.mapping(name)


def settings(job: Job) -> dict[str, object]:
    """Return the settings of the trainer, of the files in its folder, and of a search."""
    state = _state(job)
    values = merged(job, ("config.json", "training_args.json"))
    trial = state.get("trial_params")
    own = {name: state[name] for name in SETTINGS if state.get(name) is not None}
    return values | own | flat(trial if isinstance(trial, dict) else {})


def results(job: Job) -> Results:
    """Return the curves of the log. The trainer's best value is a note; the final results have names of their own."""
    state = _state(job)
    log = state.get("log_history")
    lines = [line for line in log if isinstance(line, dict)] if isinstance(log, list) else []
    curves = course(lines, ("step", "epoch"))
    _note_repeated(job, curves)
    final = named("all_results.", merged(job, [FINAL]))
    return Results(curves, final, state=as_notes({name: state.get(name) for name in NOTES}))


def _note_repeated(job: Job, curves: dict[str, tuple[list[float], list[float]]]) -> None:
    """Note arms whose last step has two evaluations: the second may be of the best model, loaded at the end."""
    for name, (steps, values) in curves.items():
        if name.startswith("eval_") and len(steps) > 1 and steps[-1] == steps[-2] and values[-1] != values[-2]:
            job.tree.remark("The last evaluation repeats a step with another result (the best model?)", job.folder)


PRESET = Preset((STATE,), settings, results, parts="checkpoint-*")
