"""Description of a user's function, made by a child in the user's interpreter, and cached while its files are equal."""

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ablation.errors import AblateError
from ablation.experiments.child import process
from ablation.experiments.function import interpreter
from ablation.store import code
from ablation.store.files import read_json, write_json

LIMIT = 60.0  # seconds
FORM = 2  # count up when descriptions have other content
CACHE = "ablate/functions"  # below the user's folder of caches


class Parameter(BaseModel):
    """Parameter of a function. `schema_`: JSON Schema of its values; {} for any. `has_default`: False if required."""

    name: str
    schema_: dict[str, Any] = {}
    title: str = ""
    default: Any = None
    has_default: bool = False


class Description(BaseModel):
    """Description of a function.

    `groups`: parameter -> fields of its dataclass. `left_out`: parameters that stay at their defaults, which no study
    file can state. `takes_more`: whether it takes any keyword. `code`: path -> SHA-256
    of the user's files that importing it has loaded. `python`: version of the interpreter.
    """

    parameters: tuple[Parameter, ...] = ()
    groups: dict[str, list[str]] = {}
    left_out: tuple[str, ...] = ()
    takes_more: bool = False
    code: dict[str, str] = {}
    python: str = ""


def describe(target: str, python: str, cwd: Path, variables: Mapping[str, str], where: str) -> Description:
    """Return the description of a function.

    Args:
        target: function, as "/folder/file.py:name" or "package.module:name".
        python: path of the interpreter.
        cwd: working folder.
        variables: additional environment variables.
        where: beginning of an error message.

    Raises:
        AblateError: the function cannot be imported, or not be described.
    """
    key = json.dumps([FORM, target, python, str(cwd), sorted(variables.items()), _stamp(python)])
    cached = _cache() / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
    with suppress(AblateError, ValueError, OSError):  # a broken file is written again
        stored = Description.model_validate(read_json(cached) or {"python": 0})
        if stored.code and all(_digest(path) == sha256 for path, sha256 in stored.code.items()):
            return stored
    described = _described(target, python, cwd, variables, where)
    with suppress(OSError):
        cached.parent.mkdir(parents=True, exist_ok=True)
        write_json(cached, described.model_dump())
    return described


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / CACHE


def _stamp(python: str) -> list[float]:
    """Return the times of an interpreter and of its environment's packages: new packages may change annotations."""
    paths = [Path(python), *Path(python).parent.parent.glob("lib/python3*/site-packages")]
    return [path.stat().st_mtime for path in paths if path.exists()]


def _digest(path: str) -> str:
    """Return the SHA-256 of a file; "" for one that cannot be read."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return ""


def _described(target: str, python: str, cwd: Path, variables: Mapping[str, str], where: str) -> Description:
    """Return the description that a new child makes."""
    lines: list[str] = []
    with tempfile.TemporaryDirectory(prefix="ablate-") as folder:
        file = Path(folder) / "description.json"
        argv = interpreter.arguments(python, "describe", target, str(file))
        began = time.monotonic()
        start = process.Start(argv, cwd, Path(folder), variables, grace=0.0)
        ended = process.run(start, lines.append, lambda: time.monotonic() - began > LIMIT)
        content: Any = read_json(file) if file.is_file() else None
    shown = next((line.strip() for line in reversed(lines) if line.strip()), "")
    if ended.asked:
        raise AblateError(f"{where}: importing {target} took longer than {LIMIT:.0f} s; move work into the function")
    if content is None:
        raise AblateError(f"{where}: {python} ended with exit code {ended.code} while importing {target}: {shown}")
    if failure := content["failure"]:
        raise AblateError(f"{where}: {_reason(failure, target, python)}")
    named = [{**p, "schema_": p["schema"], "has_default": "default" in p} for p in content["parameters"]]
    return Description.model_validate({**content, "parameters": named})


def _reason(failure: Mapping[str, Any], target: str, python: str) -> str:
    """Return why a function has no description, with what to do about it."""
    reason = str(failure["reason"])
    if failure.get("contract") and not failure.get("place"):
        return reason
    kinds = str(failure.get("kinds", ""))
    if "attempted relative import" in reason:
        reason += "; state the function as package.module:name, with cwd = the folder that contains the package"
    if "ModuleNotFoundError" in kinds:
        if reason.endswith(f"'{target.partition(':')[0].partition('.')[0]}'"):
            return f"{reason}; state [experiment] cwd = the folder that contains it"
        return f"{reason} (in {python}); install it there, or state [experiment] python = another interpreter"
    place = next(
        (line.strip() for line in reversed(str(failure.get("traceback", "")).splitlines()) if "File " in line), ""
    )
    return f"{target} cannot be imported: {reason}{f' ({place})' if place else ''}"


def texts_of(description: Description, folder: Path) -> dict[str, str]:
    """Return path -> text of the user's files that importing the function has loaded, relative to a folder."""
    texts = {os.path.relpath(path, folder): code.text_of(Path(path)) for path in description.code}
    return {path: text for path, text in sorted(texts.items()) if text is not None}
