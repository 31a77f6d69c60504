"""The templates, and the two ways in which they are read: for LaTeX, whose braces are not jinja's, and for HTML."""

from typing import Any

import jinja2


def _environment(**options: Any) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("ablation"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,
    )


TEXT = _environment()
HTML = _environment(autoescape=True)
LATEX = _environment(
    block_start_string="<%", block_end_string="%>", variable_start_string="<<", variable_end_string=">>",
    comment_start_string="<#", comment_end_string="#>",
)  # fmt: skip
