"""How the documentation is built: `sphinx-build -W docs docs/_build`."""

import sys
from pathlib import Path

from ablation import __version__

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "ablate"
author = "the developers of ablate"
release = version = __version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",  # Args, Returns and Raises of docstrings
    "sphinx_copybutton",
    "command_pages",
    "mathml",
    "schema_tables",
    "warning_pages",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
default_role = "literal"  # of single backticks in docstrings
smartquotes = False  # it makes a dash of the two hyphens of an option
nitpicky = False
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
copybutton_exclude = ".linenos, .gp, .go"

html_math_renderer = "mathml"
html_theme = "furo"
html_title = f"ablate {release}"
html_show_sphinx = False
