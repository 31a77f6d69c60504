"""Formulas as MathML, which browsers draw themselves: the pages need no network and no script.

Sphinx's own renderer loads MathJax from a server; without network, readers see LaTeX.
"""

from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx


def draw_inline(translator: Any, node: nodes.math) -> None:
    """Write a formula in a line of text. Raises SkipNode, because the formula has no further nodes."""
    translator.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def draw_block(translator: Any, node: nodes.math_block) -> None:
    """Write a formula on a line of its own. Raises SkipNode."""
    translator.body.append(f'<div class="math">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer("mathml", inline_renderers=(draw_inline, None), block_renderers=(draw_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
