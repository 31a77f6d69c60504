"""Libraries that are imported at their first use: most commands use few functions of a large library, or none."""

import importlib
from typing import Any

from ablation.fast_imports import loading


class _LateModule:
    """Stand-in for a module, which imports the module when an attribute is read."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        with loading():
            value = getattr(importlib.import_module(self._name), attribute)
        setattr(self, attribute, value)  # so that later reads cost nothing
        return value


def late_import(name: str) -> Any:
    """Return a stand-in for a module, which imports the module at its first use. `name`: its full name."""
    return _LateModule(name)
