"""Documents of a source: text, JSON, YAML and CSV, parsed within limits. No document builds an object."""

import io
import json
import math
import re
import warnings
from datetime import date
from typing import Any

import pandas as pd
import yaml  # type: ignore[import-untyped]

from ablation.errors import AblateError

LIMIT = 200_000_000  # bytes of a document
DEPTH = 100  # levels of a document
NODES = 2_000_000  # values of a YAML document, with each alias written out
SURROGATE = re.compile("[\ud800-\udfff]")  # half a character: no file can store it


def decoded(content: bytes) -> tuple[str, bool]:
    """Return the text, and whether the content is no UTF-8 or UTF-16 and was read as Latin-1."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace"), False
    try:
        return content.decode("utf-8-sig"), False
    except UnicodeDecodeError:
        return content.decode("latin-1"), True


def json_value(text: str, name: str) -> Any:
    """Return the value of a JSON text; NaN and Infinity are numbers.

    Raises AblateError with the name of the file where the text is not JSON.
    """
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise AblateError(f"{name}: not valid JSON (line {error.lineno}, column {error.colno}: {error.msg})") from None
    except RecursionError:
        raise AblateError(f"{name}: nested deeper than {DEPTH} levels") from None
    except ValueError as error:  # an integer of thousands of digits
        raise AblateError(f"{name}: not valid JSON ({error})") from None
    if text.count("[") + text.count("{") > DEPTH:
        refuse_depth(value, name)
    return whole(value) if SURROGATE.search(text) or "\\ud" in text.lower() else value


def whole(value: Any) -> Any:
    """Return the value with each half of a surrogate pair replaced by a question mark."""
    if isinstance(value, dict):
        return {whole(key): whole(member) for key, member in value.items()}
    if isinstance(value, list):
        return [whole(member) for member in value]
    return SURROGATE.sub("?", value) if isinstance(value, str) else value


def refuse_depth(value: object, name: str, limit: float = math.inf) -> None:
    """Raise AblateError where a value is nested too deep, or has more values than the limit."""
    level: list[object] = [value]
    nodes = 0
    for _ in range(DEPTH + 1):
        containers = [node for node in level if isinstance(node, dict | list)]
        if not containers:
            return
        nodes += sum(map(len, containers))
        if nodes > limit:
            raise AblateError(f"{name}: more than {limit} values, aliases written out")
        level = [member for node in containers for member in (node.values() if isinstance(node, dict) else node)]
    raise AblateError(f"{name}: nested deeper than {DEPTH} levels")


class SettingsLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Loader of YAML that builds no objects: an unknown tag is ignored, and its plain value is kept."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Leave merge keys (<<) in place: a chain of merges doubles the memory with every line."""


def _plain(loader: Any, node: yaml.Node) -> object:
    """Return the value of a node with an unknown tag; a name of a class that has no value is kept as text."""
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return node.value or node.tag.rsplit(":", 1)[-1].rsplit("/name:", 1)[-1]


SettingsLoader.add_constructor(None, _plain)
SettingsLoader.add_implicit_resolver(  # 1e-3 is text in YAML 1.1
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d[\d_]*)(\.[\d_]*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def yaml_value(text: str, name: str) -> Any:
    """Return the value of a YAML text, of mappings, lists, texts and numbers.

    Raises AblateError with the name of the file where the text is not YAML.
    """
    try:
        _refuse_nesting(text, name)
        value = yaml.load(text, Loader=SettingsLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise AblateError(f"{name}: not valid YAML ({place}{error.problem})") from None
    except (yaml.YAMLError, ValueError, TypeError, OverflowError) as error:
        raise AblateError(
            f"{name}: not valid YAML ({str(error).splitlines()[0] if str(error) else 'unknown'})"
        ) from None
    refuse_depth(value, name, NODES)
    return _storable(value)


def _refuse_nesting(text: str, name: str) -> None:
    """Raise AblateError where YAML is nested too deep; the events are read one after another, without recursion."""
    depth = 0
    for event in yaml.parse(text, Loader=SettingsLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH:
            raise AblateError(f"{name}: nested deeper than {DEPTH} levels")


def _storable(value: Any) -> Any:
    """Return the value with merge keys resolved, and with dates, bytes and sets of YAML as text and lists."""
    if isinstance(value, dict):
        merged = value.get("<<", {})
        parents = [parent for parent in (merged if isinstance(merged, list) else [merged]) if isinstance(parent, dict)]
        own = {key: member for key, member in value.items() if key != "<<"}
        return {key: _storable(member) for mapping in (*reversed(parents), own) for key, member in mapping.items()}
    if isinstance(value, list | tuple | set):
        return [_storable(member) for member in value]
    if isinstance(value, date):  # a datetime too
        return value.isoformat()
    return value.decode("latin-1") if isinstance(value, bytes) else value


def cell(text: str) -> bool | int | float | str | None:
    """Return the number, the truth or the text that a cell of a CSV holds; None where the cell is empty."""
    text = text.strip()
    if not text:
        return None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if "_" in text or not text.isascii():  # Python's own notation: 1_000
        return text
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def csv_lines(text: str, name: str) -> list[dict[str, Any]]:
    """Return the lines of a CSV as mappings of column and value; empty cells are absent, `nan` is a number.

    Raises AblateError with the name of the file where a line has more cells than the header.
    """
    header = text.lstrip("\r\n").split("\n", 1)[0]
    separator = max((",", ";", "\t"), key=header.count)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                io.StringIO(text), sep=separator, dtype=str, keep_default_na=False, index_col=False, engine="c"
            )
    except pd.errors.EmptyDataError:
        return []
    except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError) as error:
        raise AblateError(f"{name}: not valid CSV ({' '.join(str(error).split())})") from None
    columns = [str(column).strip() for column in frame.columns]
    lines = (zip(columns, line, strict=True) for line in frame.itertuples(index=False, name=None))
    return [{c: v for c, t in line if isinstance(t, str) and (v := cell(t)) is not None} for line in lines]


def is_number(value: object) -> bool:
    """Return whether a value is a number that a float can hold, and no truth value."""
    return isinstance(value, float) or (type(value) is int and value.bit_length() < 1024)


def spoken(value: object) -> object:
    """Return the number of a text such as NaN or -Infinity, as JavaScript and W&B write them; else the value."""
    numbers = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
    return numbers.get(value, value) if isinstance(value, str) else value
