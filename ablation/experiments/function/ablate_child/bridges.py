"""Callbacks of training libraries: they report the numbers of each step, and end the training where asked to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import ContractError, Interrupted

if TYPE_CHECKING:
    from .handle import Run


def callback(library: str, run: Run) -> Any:
    """Return a callback of a library for a run. Raises ContractError for an unknown library."""
    if library not in LIBRARIES:
        raise ContractError(f"run.bridge({library!r}): unknown library; allowed: {', '.join(LIBRARIES)}")
    return LIBRARIES[library](run)


def _numbers(logs: Any) -> dict[str, float]:
    """Return what can be reported: numbers that are not of the test, with names that are words."""
    numbers = {}
    for name, value in (logs or {}).items():
        name = name.replace("/", "_").replace("-", "_")
        name = "val_" + name[len("eval_") :] if name.startswith("eval_") else name
        try:
            number = float(value)
        except (TypeError, ValueError):
            continue
        if name.isidentifier() and name not in ("step", "epoch") and not name.startswith("test"):
            numbers[name] = number
    return numbers


def _keras(run: Run) -> Any:
    from keras.callbacks import Callback

    class Bridge(Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            run.report(step=epoch + 1, **_numbers(logs))
            if run.stopping:
                raise Interrupted

    return Bridge()


def _transformers(run: Run) -> Any:
    from transformers import TrainerCallback

    class Bridge(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            numbers = _numbers(logs)
            if numbers:
                run.report(step=max(1, state.global_step), **numbers)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if run.stopping:
                control.should_save = True

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if run.stopping:
                raise Interrupted

    return Bridge()


def _lightning(run: Run) -> Any:
    try:
        from lightning.pytorch import Callback
    except ImportError:
        from pytorch_lightning import Callback

    class Bridge(Callback):
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            numbers = _numbers(trainer.callback_metrics)
            if numbers:
                run.report(step=trainer.current_epoch + 1, **numbers)
            if run.stopping:
                raise Interrupted

    return Bridge()


LIBRARIES = {"keras": _keras, "transformers": _transformers, "lightning": _lightning}
