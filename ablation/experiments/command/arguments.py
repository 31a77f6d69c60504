"""Arguments of a command: its template with the levels of a row, and other values, in place of {names}.

Single braces around anything but a name stay: {"a": 1} is JSON. In an argument or a path with {{, each {{ and }} stands
for a brace: ${{HOME}} is ${HOME}. JSON never has {{, so that its }} stay.
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ablation.errors import AblateError
from ablation.nearest import nearest
from ablation.study.experiment_keys import ExperimentKeys, FactorKeys
from ablation.study.levels import Level

NAME = re.compile(r"\{([A-Za-z_]\w*)\}")
NAME_OR_BRACES = re.compile(r"\{\{|\}\}|" + NAME.pattern)
FLAGS, OVERRIDES = "flags", "overrides"  # stand for all factors, as --name=value and as name=value
OF_TRAINING = ("seed", "fold", "repeat", "folder", "threads", "device", "run")  # values that every training has
CHECKPOINT = "checkpoint"  # in `resume` alone
FOLDER = "folder"


def tokens(template: str | Sequence[str], where: str) -> list[str]:
    """Return the parts of a command line, as a shell splits them. Raises AblateError for quotes without an end."""
    if not isinstance(template, str):
        return list(template)
    try:
        return shlex.split(template)
    except ValueError as error:
        raise AblateError(f"{where}: {error}; quotes and backslashes are read as a shell reads them") from None


def names(template: str | Sequence[str], where: str) -> list[str]:
    """Return the names in braces, each once, in their order."""
    return list(dict.fromkeys(name for token in tokens(template, where) for name in _names_in(token)))


def _pieces(token: str) -> re.Pattern[str]:
    """Return what is replaced in a token: names, and doubled braces where it has an opening pair."""
    return NAME_OR_BRACES if "{{" in token else NAME


def _names_in(token: str) -> list[str]:
    return [name for name in _pieces(token).findall(token) if name]


def _replaced(token: str, texts: Mapping[str, str]) -> str:
    return _pieces(token).sub(lambda match: texts[match[1]] if match[1] else match[0][0], token)


def reserved(keys: ExperimentKeys) -> set[str]:
    """Return the names in braces that are no factors."""
    return {*OF_TRAINING, FLAGS, OVERRIDES, *keys.settings}


def shown(level: Level, keys: FactorKeys) -> str:
    """Return a level as an argument."""
    if isinstance(level, bool):
        stated = keys.if_true if level else keys.if_false
        return ("true" if level else "false") if stated is None else stated
    if isinstance(level, tuple | list):
        return keys.join.join(shown(part, keys) for part in level)
    return str(level)


def _is_switch(keys: FactorKeys) -> bool:
    return keys.if_true is not None or keys.if_false is not None


def _apart(level: Level, keys: FactorKeys) -> list[str] | None:
    """Return the parts of a list that are arguments of their own, as for `--layers 64 64`: join is a blank."""
    return [shown(part, keys) for part in level] if isinstance(level, tuple | list) and keys.join == " " else None


def _of_all(keys: ExperimentKeys, levels: Mapping[str, Level], prefix: str) -> Iterator[str]:
    """Yield one argument a factor. A switch yields its own arguments, which may be none."""
    for name, level in levels.items():
        factor = keys.factors.get(name, FactorKeys())
        if _is_switch(factor):
            yield from shlex.split(shown(level, factor))
        elif level is not None:
            yield f"{prefix}{name}={shown(level, factor)}"


def filled(
    template: str | Sequence[str], keys: ExperimentKeys, levels: Mapping[str, Level], values: Mapping[str, Any],
    where: str,
) -> list[str]:  # fmt: skip
    """Return the arguments of a command. A level with blanks or a semicolon stays one argument: there is no shell.

    Args:
        template: command line, or one text an argument.
        keys: keys of [experiment].
        levels: level of each factor.
        values: values of other names, such as {seed} and {folder}.
        where: beginning of an error message.
    """
    texts = texts_of(keys, levels, values)
    arguments: list[str] = []
    for token in tokens(template, where):
        whole = NAME.fullmatch(token)
        if whole and whole[1] in (FLAGS, OVERRIDES):
            arguments += _of_all(keys, levels, "--" if whole[1] == FLAGS else "")
        elif whole and _is_switch(keys.factors.get(whole[1], FactorKeys())):
            arguments += shlex.split(texts[whole[1]])
        elif whole and (parts := _apart(levels.get(whole[1]), keys.factors.get(whole[1], FactorKeys()))) is not None:
            arguments += parts
        else:
            arguments.append(_replaced(token, texts))
    return arguments


def path(template: str, texts: Mapping[str, str]) -> str:
    """Return a path with {names} replaced."""
    return _replaced(template, texts)


def texts_of(keys: ExperimentKeys, levels: Mapping[str, Level], values: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts of the names in paths: settings, values of the training, and levels."""
    texts = {name: str(value) for name, value in {**keys.settings, **values}.items()}
    return texts | {name: shown(level, keys.factors.get(name, FactorKeys())) for name, level in levels.items()}


def refuse_unknown(template: str | Sequence[str], names_with_value: Sequence[str], where: str) -> None:
    """Raise AblateError for a name in braces that has no value."""
    for name in names(template, where):
        if name not in names_with_value:
            raise AblateError(
                f"{where}: {{{name}}} is unknown; known: {', '.join(names_with_value)}{nearest(name, names_with_value)}"
            )
