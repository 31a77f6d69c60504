"""Options of `ablate import` as the keys of a study file."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ablation.errors import AblateError
from ablation.sources import address
from ablation.sources.readers.compressed import plain_name
from ablation.study import study_file, study_keys
from ablation.study.import_keys import ImportKeys
from ablation.study.study_keys import StudyKeys
from ablation.workflows.import_request import Import

COMMAND_LINE = Path("ablate import")  # stands for the study file in messages about options


def of_options(source: str, stated: Mapping[str, Any]) -> Import:
    """Return what a command imports: a study file, with the changes of its options, or a source with options alone.

    Raises AblateError where an option or a key is wrong.
    """
    workspace = stated["workspace"]
    if source.endswith(".toml"):
        path = study_file.find(source)
        keys = study_keys.parse(path)
        if keys.imported is None:
            raise AblateError(f"{path}: has no [import]; add [import], then from = a source, or train it: ablate run")
        if own := [f"--{name.replace('_', '-')}" for name in _stated(stated)]:
            raise AblateError(f"{own[0]}: is stated by {path}; edit the file, or name the source in its place")
        return Import(keys, path, stated["name"] or path.stem, workspace)
    keys = _keys(source, stated)
    return Import(keys, COMMAND_LINE, stated["name"] or _name(source), workspace)


def _stated(stated: Mapping[str, Any]) -> list[str]:
    """Return the names of the options that the user gave, without those that a study file does not state."""
    return [name for name, value in stated.items() if value and name not in ("name", "workspace")]


def _keys(source: str, stated: Mapping[str, Any]) -> StudyKeys:
    imported = {name: stated[name] for name in ImportKeys.model_fields if stated.get(name) or stated.get(name) == []}
    imported = {name: value for name, value in imported.items() if value or name == "percent"}
    content: dict[str, Any] = {"import": {"from": source, **imported}}
    if stated["reference"]:
        content["reference"] = _reference(stated["reference"])
    if stated["task"]:
        content["experiment"] = {"task": stated["task"]}
    if stated["select_on"]:
        content["select_on"] = stated["select_on"]
    if stated["uncertainty"]:
        content["table"] = {"uncertainty": stated["uncertainty"]}
    if stated["best"]:
        content["measures"] = dict(_direction(text) for text in stated["best"])
    try:
        return StudyKeys.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise AblateError(f"--{str(first['loc'][-1]).replace('_', '-')}: {first['input']!r} is not allowed") from None


def _reference(text: str) -> int | str | dict[str, Any]:
    if text.isdecimal():
        return int(text)
    return study_file.settings(text.split(",")) if "=" in text else text


def _direction(text: str) -> tuple[str, dict[str, str]]:
    measure, _, direction = text.partition("=")
    if direction not in ("high", "low"):
        raise AblateError(f"--best {text}: expected MEASURE=high or MEASURE=low, as in fid=low")
    return measure, {"best": direction}


def _name(source: str) -> str:
    """Return the name of a study from its source: that of the file, or of the last part of an address."""
    last = Path(re.split(r"[?#]", source.rstrip("/"))[0].rpartition(":")[2]).name
    plain = plain_name(Path(last))
    stem = plain.stem if plain.suffix in (*address.BY_SUFFIX, ".db") else plain.name
    return re.sub(r"[^\w+-]+", "-", stem).strip("-") or "imported"
