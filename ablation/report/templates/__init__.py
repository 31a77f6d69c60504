"""Jinja environments of the templates: plain text, HTML with escaping, and LaTeX with delimiters without braces."""

import re
from typing import Any

import jinja2
from markupsafe import Markup, escape


def _environment(**options: Any) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("ablation.report"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,
    )


TEXT = _environment()
HTML = _environment(autoescape=True)
HTML.filters["code"] = lambda text: Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
LATEX = _environment(
    block_start_string="<%", block_end_string="%>", variable_start_string="<<", variable_end_string=">>",
    comment_start_string="<#", comment_end_string="#>",
)  # fmt: skip
