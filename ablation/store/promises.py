"""Promises of an experiment that `ablate check` has tested, with the code that it tested."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ablation.store import code
from ablation.store.files import read_json, understood, write_json
from ablation.store.workspace import Workspace

SHARES, RESUME = "shares", "resume"  # promises that a table relies on
GOOD, NOTE, BAD = "good", "note", "bad"


@dataclass(frozen=True)
class Checked:
    """Outcome of the last check of an experiment.

    `code`: path -> digest of the code that was checked. `states`: promise -> GOOD, NOTE (not tested) or BAD.
    """

    code: Mapping[str, str] = field(default_factory=dict)
    states: Mapping[str, str] = field(default_factory=dict)


def store(workspace: Workspace, experiment: str, checked: Checked, texts: Mapping[str, str]) -> None:
    """Store the outcome of a check. `texts`: path -> text of the code."""
    code.store(workspace, texts)
    earlier = read_json(workspace.promises) or {}
    content = {"code": dict(checked.code), "states": dict(checked.states)}
    workspace.promises.parent.mkdir(parents=True, exist_ok=True)
    write_json(workspace.promises, {**earlier, experiment: content})


def of(workspace: Workspace, experiment: str) -> Checked:
    """Return the outcome of the last check of an experiment; without states where there was none."""
    content: Any = (read_json(workspace.promises) or {}).get(experiment)
    if content is None:
        return Checked()
    with understood(workspace.promises):
        return Checked(dict(content["code"]), dict(content["states"]))


def state(workspace: Workspace, experiment: str, promise: str, digests: Mapping[str, str]) -> str:
    """Return the state of a promise for the code with these digests; "" where that code was not checked.

    Comments and layout of Python files may differ.
    """
    checked = of(workspace, experiment)
    stated = checked.states.get(promise, "")
    for path in {*digests, *checked.code} if stated else ():
        before, after = checked.code.get(path), digests.get(path)
        if before is None or after is None:
            return ""
        if before != after and code.is_changed(path, code.stored(workspace, before), code.stored(workspace, after)):
            return ""
    return stated
