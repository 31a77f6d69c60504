"""Objects of several runs in one JSON file: an object a run, a list below a key, or a list a column."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ablation.measures.names import meaning, split_of
from ablation.sources.readers.collector import step_name
from ablation.sources.readers.documents import is_number
from ablation.sources.readers.objects import COURSE
from ablation.sources.runs import NAME

NAMES = (NAME, "key", "key2")  # fields that hold the keys on the way to a run
PARTS = (  # of one run
    "train", "training", "val", "valid", "validation", "dev", "test", "eval", "config", "params", "settings", "args",
    "metrics", "results",
)  # fmt: skip


def runs_of(content: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of the runs of a file: of names, of a list, or of columns; otherwise the object itself."""
    if (lists := _list_of_runs(content)) is not None:
        key, members = lists
        settings = {name: value for name, value in content.items() if name != key}
        yield from ({**settings, **member} for member in members)
    elif columns := _columns(content):
        yield from (dict(zip(columns, line, strict=True)) for line in zip(*columns.values(), strict=True))
    elif _has_replicates(content):
        lines = ((name, run, value) for name, values in content.items() for run, value in enumerate(values))
        yield from ({NAME: name, "replicate": run, "value": value} for name, run, value in lines)
    elif _is_keyed(content):
        yield from _by_name(content, {}, 0)
    else:
        yield content


def _list_of_runs(content: Mapping[str, Any]) -> tuple[str, list[Mapping[str, Any]]] | None:
    """Return the only list of objects in an object, where its members have no step and hold numbers."""
    from_lists = [(key, value) for key, value in content.items() if isinstance(value, list) and len(value) > 1
                  and all(isinstance(member, Mapping) for member in value)]  # fmt: skip
    if len(from_lists) != 1:
        return None
    key, members = from_lists[0]
    has_results = all(any(isinstance(v, float) for v in _leaves(member)) for member in members)
    return (key, members) if has_results and not any(map(step_name, members)) else None


def _leaves(content: Mapping[str, Any]) -> Iterator[Any]:
    for value in content.values():
        if isinstance(value, Mapping):
            yield from _leaves(value)
        else:
            yield value


def _columns(content: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the columns of an object of lists of equal length, one of texts at least, as pandas writes a frame."""
    values = list(content.values())
    if all(isinstance(value, Mapping) for value in values):  # with the number of the line as key
        values = [list(v.values()) if list(v) == [str(n) for n in range(len(v))] else None for v in values]
    is_table = len(values) > 1 and all(isinstance(v, list) and len(v) == len(values[0]) > 1 for v in values)
    has_texts = is_table and any(all(isinstance(cell, str) for cell in v) for v in values)
    return dict(zip(content, values, strict=True)) if has_texts else {}


def _has_replicates(content: Mapping[str, Any]) -> bool:
    """Return whether all members are short lists of numbers under names that are no measures: results by name."""
    return len(content) > 1 and all(
        isinstance(values, list) and 1 < len(values) <= COURSE and all(map(is_number, values)) and meaning(name) is None
        and split_of(name)[0] == "" and any(isinstance(value, float) for value in values)
        for name, values in content.items()
    )  # fmt: skip


def _is_keyed(content: Mapping[str, Any]) -> bool:
    """Return whether all members are objects that share a key, under names that are no parts of one run."""
    members = list(content.values())
    if len(members) < 2 or not all(isinstance(member, Mapping) and member for member in members):
        return False
    if any(str(key).lower() in PARTS for key in content):
        return False
    return bool(set.intersection(*(set(member) for member in members))) or all(map(_is_keyed, members))


def _by_name(content: Mapping[str, Any], above: Mapping[str, Any], level: int) -> Iterator[Mapping[str, Any]]:
    """Yield the fields of each run with the keys on the way to it; a key that is a whole number is one."""
    for key, member in content.items():
        names = {**above, NAMES[level]: int(key) if re.fullmatch(r"\d{1,15}", key) else key}
        if level + 1 < len(NAMES) and _is_keyed(member):
            yield from _by_name(member, names, level + 1)
        else:
            yield {**{f"source.{k}" if k in names else k: value for k, value in member.items()}, **names}
