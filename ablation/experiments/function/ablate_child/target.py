"""The user's function: loaded from "path/file.py:function" or "package.module:function"."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from .errors import ContractError


def load(target: str) -> Any:
    """Return the function that `target` names.

    The folder of a file is put first on the path, and the file is imported by its stem, so that processes that it
    starts can import it too. Raises ContractError where there is no such file, module or function.
    """
    place, _, name = target.rpartition(":")
    if place.endswith(".py"):
        folder, file = os.path.split(os.path.realpath(place))
        if not os.path.isfile(place):
            raise ContractError(f"{place}: no such file")
        sys.path.insert(0, folder)
        module_name = file[: -len(".py")]
        if module_name in sys.modules:
            raise ContractError(f"{file} has the name of a module that Python itself loads; rename the file")
    else:
        sys.path.insert(0, os.getcwd())
        module_name = place
    module = importlib.import_module(module_name)
    if place.endswith(".py") and os.path.realpath(module.__file__ or "") != os.path.realpath(place):
        raise ContractError(f"{file} has the name of another module ({module.__file__}); rename the file")
    function: Any = module
    for part in name.split("."):
        if not hasattr(function, part):
            functions = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
            own = [n for n in functions if getattr(vars(module)[n], "__module__", "") == module_name]
            raise ContractError(f"{place} has no function {name!r}; it has {', '.join(own) or 'none'}")
        function = getattr(function, part)
    if isinstance(function, type) or not callable(function):
        raise ContractError(f"{target} is not a function")
    return function
