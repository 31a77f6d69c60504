"""Suggestions of a shell that completes a word: studies, their names, codes of warnings, data and paths.

All come from the names of files alone: a shell asks at each press of a key, and no large library may be loaded.
"""

from collections.abc import Iterable, Iterator
from glob import escape, glob
from importlib.resources import files
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from ablation.study.shipped_studies import SETS, shipped

DATA = ("demo", "demo:production")


def paths(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:
    """Return the mark with which a shell completes names of files."""
    return [CompletionItem(word, type="file")]


def studies(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:
    """Return shipped studies, study files, and studies of the workspace. The word may list several, with commas."""
    before, comma, last = word.rpartition(",")
    names = dict.fromkeys([*shipped(), *SETS, *_stored(context), *_study_files(last)])
    items = [CompletionItem(f"{before}{comma}{item.value}") for item in _beginning(names, last)]
    return items or paths(context, parameter, word)


def stored_names(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:
    """Return the names of the studies of the workspace."""
    return _beginning(_stored(context), word)


def data(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:
    """Return the drawn data sets, and otherwise names of files."""
    return (_beginning(DATA, word) if word else []) or paths(context, parameter, word)


def warning_codes(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:
    """Return the codes of the warnings that have a page in this package."""
    package = Path(str(files("ablation")))
    codes = sorted(path.stem for path in package.rglob("pages/*.md") if path.stem.isupper())
    return _beginning(codes, word.upper())


def _beginning(names: Iterable[str], word: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(word)]


def _stored(context: click.Context) -> list[str]:
    workspace = Path(context.params.get("workspace") or "runs")
    return sorted(path.parent.name for path in workspace.glob("*/study.json"))


def _study_files(word: str) -> Iterator[str]:
    """Yield study files that begin with a word, and those one folder below."""
    start = escape(word)
    yield from (path for path in sorted(glob(f"{start}*.toml")) if Path(path).name != "pyproject.toml")
    yield from sorted(glob(f"{start}*/*.toml"))
