"""The experiments that can be run: those of this package by import string, others by entry point or by their module.

An experiment is a module or an object with the names of `protocol.Experiment`.
"""

import functools
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from ablation.errors import AblateError

DEFAULT = "keras_head"
BUILT_IN = {DEFAULT: "ablation.training.experiment"}
GROUP = "ablate.experiments"  # entry points of other packages: name = "package.module" or "package.module:object"


def names() -> list[str]:
    """Return the names of all experiments that are installed."""
    return sorted({*BUILT_IN, *(point.name for point in entry_points(group=GROUP))})


@functools.cache
def load(name: str) -> Any:
    """Return the experiment called `name`; a name with a dot or a colon is an import string.

    Raises AblateError where there is none, or where its module cannot be imported.
    """
    points = {point.name: point.value for point in entry_points(group=GROUP)}
    target = BUILT_IN.get(name) or points.get(name) or (name if set(".:") & set(name) else None)
    if target is None:
        raise AblateError(f"[experiment] plugin: unknown experiment {name!r}; known: {', '.join(names())}")
    module, _, attribute = target.partition(":")
    try:
        found = import_module(module)
        return functools.reduce(getattr, attribute.split(".") if attribute else [], found)
    except (ImportError, AttributeError) as error:
        raise AblateError(f"[experiment] plugin {name!r}: {target} cannot be imported ({error})") from None
