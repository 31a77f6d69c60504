"""Keys of [import]: those of a study file, or the options of `ablate import`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ablation.errors import AblateError
from ablation.study import study_file, study_keys
from ablation.study.import_keys import ImportKeys
from ablation.study.study_keys import StudyKeys, floats

COMMAND_LINE = Path("ablate import")  # stands for the study file in messages about options


@dataclass(frozen=True)
class Import:
    """Results to import. `keys`: keys of the study file, with [import]. `path`: the study file, for messages."""

    keys: StudyKeys
    path: Path
    name: str
    workspace: Path

    @property
    def import_keys(self) -> ImportKeys:
        """Keys of [import]."""
        assert self.keys.imported is not None
        keys = self.keys.imported
        return keys.model_copy(update={"where": floats(keys.where), "failed": floats(keys.failed)})

    @property
    def where(self) -> str:
        """Beginning of an error message about [import]."""
        return f"{self.path}: import"


def of_study(grid: str, name: str, workspace: Path) -> Import | None:
    """Return the results that a study to train imports; None where its file has no [import].

    Raises AblateError where several studies run together and one has [import].
    """
    names = study_file.parts_of(grid)
    for path in map(study_file.find, names):
        keys = study_keys.parse(path)
        if keys.imported is not None and names[1:]:
            raise AblateError(f"{path}: import: is not allowed for studies that run together; run this one alone")
        if keys.imported is not None:
            return Import(keys, path, name, workspace)
    return None


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
    imported = {name: stated[name] for name in ImportKeys.model_fields if stated.get(name)}
    content: dict[str, Any] = {"import": {"from": source, **imported}}
    if stated["reference"]:
        content["reference"] = _reference(stated["reference"])
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
    stem = Path(last).stem if Path(last).suffix in (".csv", ".tsv", ".json", ".jsonl", ".db", ".txt") else last
    return re.sub(r"[^\w+-]+", "-", stem).strip("-") or "imported"
