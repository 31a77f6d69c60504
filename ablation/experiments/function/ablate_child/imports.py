"""Hook of imports: libraries are seeded when they are loaded, and the user's own source files are noted."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import sysconfig
from collections.abc import Callable, Iterable
from importlib.machinery import ModuleSpec
from typing import Any

OWN = os.path.dirname(os.path.realpath(__file__))


def _places() -> tuple[str, ...]:
    """Return the folders of the interpreter and of installed packages, with a separator at their end."""
    paths = [*sysconfig.get_paths().values(), sys.prefix, sys.base_prefix, sys.exec_prefix, OWN]
    return tuple({os.path.realpath(path) + os.sep for path in paths if path and os.path.realpath(path) != os.sep})


INSTALLED = _places()


def is_of_user(path: str) -> bool:
    """Return whether a file is the user's own: neither the interpreter's nor an installed package's."""
    real = os.path.realpath(path)
    return not (real + os.sep).startswith(INSTALLED) and not (
        {"site-packages", "dist-packages"} & set(real.split(os.sep))
    )


def digest(path: str) -> str:
    """Return the SHA-256 of a file as text; "" for a file that is missing."""
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return ""


class Watcher:
    """Finder that finds nothing itself: it lets the other finders look, and watches the module being loaded.

    `sources`: path of each of the user's source files that were loaded -> its digest when it was loaded.
    """

    def __init__(self, libraries: Iterable[str], loaded: Callable[[str, Any], None]) -> None:
        """Watch imports. `loaded`: function of the name and module of each of these libraries, called once loaded."""
        self.sources: dict[str, str] = {}
        self._libraries, self._loaded = libraries, loaded

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec: ModuleSpec | None = finder.find_spec(name, path, target)
            if spec is not None:
                self._watch(name, spec)
                return spec
        return None

    def _watch(self, name: str, spec: ModuleSpec) -> None:
        loader: Any = spec.loader
        origin = spec.origin or ""
        is_source = origin.endswith(".py") and is_of_user(origin)
        if loader is None or not (is_source or name in self._libraries):
            return
        execute = loader.exec_module

        def exec_module(module: Any) -> None:
            if is_source:
                self.sources[os.path.realpath(origin)] = digest(origin)
            execute(module)
            if name in self._libraries:
                self._loaded(name, module)

        with contextlib.suppress(AttributeError):  # built-in and frozen modules: classes without own attributes
            loader.exec_module = exec_module
