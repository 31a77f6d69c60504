"""Directive `schema`: a table of the keys of a pydantic model, with their allowed values and defaults.

The model states which keys there are, what is allowed, and the default; the page states in the body of the directive
what each key means, one `key: meaning` a line. A key without a meaning is a warning, as is a meaning without a key:

    ```{schema} ablation.study.fold_keys:FoldKeys
    k: the number of folds
    ```

A row of the table is a place in the page: study-file.html#fold-k.
"""

import importlib
import re
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from docutils import nodes
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from ablation.study.study_keys import named_fields

LOG = logging.getLogger(__name__)
BOUNDS = {"Ge": "from {ge}", "Gt": "above {gt}", "Le": "to {le}", "Lt": "below {lt}"}


def model_of(address: str) -> type[BaseModel]:
    """Return the model at `package.module:Name`."""
    module, _, name = address.partition(":")
    model: type[BaseModel] = getattr(importlib.import_module(module), name)
    return model


def meanings_of(lines: list[str]) -> dict[str, str]:
    """Return the meaning of each key, from lines `key: meaning`; an indented line continues the one above it."""
    meanings: dict[str, str] = {}
    key = ""
    for line in lines:
        if line.startswith((" ", "\t")) and key:
            meanings[key] += f" {line.strip()}"
        elif line.strip():
            key, _, meaning = (part.strip() for part in line.partition(":"))
            meanings[key] = meaning
    return meanings


def allowed(field: FieldInfo) -> str:
    """Return the values that a field allows: its description, otherwise its type and bounds."""
    if field.description:
        return field.description
    if get_origin(field.annotation) is Literal:
        return ", ".join(map(str, get_args(field.annotation)))
    bounds = [BOUNDS[type(bound).__name__].format(**vars_of(bound)) for bound in field.metadata if _is_bound(bound)]
    return " ".join([_kind(field.annotation), *bounds])


def vars_of(bound: Any) -> dict[str, Any]:
    """Return the values of a bound, which has slots."""
    return {name: getattr(bound, name) for name in ("ge", "gt", "le", "lt") if hasattr(bound, name)}


def _is_bound(bound: object) -> bool:
    return type(bound).__name__ in BOUNDS


def _kind(annotation: Any) -> str:
    kinds = {int: "a whole number", float: "a number", str: "a string", bool: "true or false"}
    parts = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return " or ".join(kinds.get(part, getattr(part, "__name__", str(part))) for part in parts)


def default(field: FieldInfo) -> str:
    """Return the default of a field as a study file writes it; empty where it has none."""
    value = field.get_default(call_default_factory=not field.default_factory)
    if value is PydanticUndefined or value is None or isinstance(value, BaseModel) or value in ("", [], {}):
        return ""
    text = str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else repr(value)
    return f"`{text}`"


def escaped(text: str) -> str:
    """Return text for a cell of a table: bars and stars, as in patterns of paths, are no Markdown."""
    return re.sub(r"(?<!\\)([|*])", r"\\\1", text)


def table(model: type[BaseModel], meanings: dict[str, str]) -> str:
    """Return the table as Markdown. The default of a key follows its allowed values."""
    lines = ["| key | meaning | allowed |", "| --- | --- | --- |"]
    for key, field in named_fields(model).items():
        value = default(field)
        values = f"{escaped(allowed(field))}; default {value}" if value else escaped(allowed(field))
        meaning = re.sub(r"(?<!\\)\|", r"\\|", meanings.get(key, ""))
        lines.append(f"| `{key}` | {meaning} | {values} |")
    return "\n".join(lines)


def anchor(model: type[BaseModel], key: str) -> str:
    """Return the id of a key's row in the page, such as table-style for `style` of TableKeys."""
    prefix = re.sub(r"(Keys|Factors)$", "", model.__name__).lower()
    return f"{prefix}-{key.replace('_', '-')}"


class Schema(SphinxDirective):
    """Table of the keys of a model; `:without:` names keys that the page explains elsewhere."""

    has_content = True
    required_arguments = 1
    option_spec = {"without": lambda text: text.split()}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        """Return the nodes of the table."""
        model, meanings = model_of(self.arguments[0]), meanings_of(list(self.content))
        keys, without = named_fields(model).keys(), set(self.options.get("without", ()))
        for key in [*(keys - meanings.keys() - without), *(meanings.keys() - keys)]:
            problem = "has no meaning here" if key in keys else "is no key of it"
            LOG.warning("%s: %s %s", self.arguments[0], key, problem, location=self.get_location())
        parsed = self.parse_text_to_nodes(table(model, meanings))
        rows = [row for node in parsed for body in node.findall(nodes.tbody) for row in body.findall(nodes.row)]
        for row, key in zip(rows, keys, strict=True):
            row["ids"].append(anchor(model, key))
        for node in parsed:
            node["classes"].append("keys")
        return parsed


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive to Sphinx."""
    app.add_directive("schema", Schema)
    return {"parallel_read_safe": True}
