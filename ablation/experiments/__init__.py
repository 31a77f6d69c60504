"""Registry of experiments: built-in ones, those of installed packages (entry points), and import strings.

An experiment is a module or an object with the names of `protocol.Experiment`.
"""

import functools
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from ablation.errors import AblateError
from ablation.nearest import nearest

DEFAULT = "keras_head"
IMPORTED, COMMAND, FUNCTION = "imported", "command", "function"
BUILT_IN = {
    DEFAULT: "ablation.experiments.keras_head.experiment",
    IMPORTED: "ablation.experiments.imported.experiment",
    COMMAND: "ablation.experiments.command.experiment",
    FUNCTION: "ablation.experiments.function.experiment",
}
GROUP = "ablate.experiments"  # entry points of other packages: name = "package.module" or "package.module:object"


class MissingExperiment(AblateError):
    """Error of an experiment that is not installed here."""


def is_demo(data: str) -> bool:
    """Return whether `--data` names examples that an experiment generates itself: demo, or demo:NAME."""
    return data == "demo" or data.startswith("demo:")


def names() -> list[str]:
    """Return the sorted names of all installed experiments."""
    return sorted({*BUILT_IN, *(point.name for point in entry_points(group=GROUP))})


@functools.cache
def load(name: str) -> Any:
    """Return the experiment called `name`. A name with a dot or a colon is an import string.

    Raises:
        MissingExperiment: No experiment has this name, or the experiment's module cannot be imported.
    """
    points = {point.name: point.value for point in entry_points(group=GROUP)}
    target = BUILT_IN.get(name) or points.get(name) or (name if set(".:") & set(name) else None)
    if target is None:
        to_name = [one for one in names() if one != IMPORTED]  # which no study file names
        raise MissingExperiment(
            f"[experiment] plugin: unknown experiment {name!r}; known: {', '.join(to_name)}{nearest(name, to_name)}"
        )
    module, _, attribute = target.partition(":")
    try:
        imported = import_module(module)
        return functools.reduce(getattr, attribute.split(".") if attribute else [], imported)
    except (ImportError, AttributeError) as error:
        raise MissingExperiment(f"[experiment] plugin {name!r}: {target} cannot be imported ({error})") from None
