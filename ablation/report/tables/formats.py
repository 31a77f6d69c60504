"""Formats in which each table of a study is drawn as text.

To add a format, write a module with a function (table, keys) -> text, and name it here under the suffix of its files.
"""

from collections.abc import Callable

from ablation.model.table import Table
from ablation.report.tables import latex, markdown_csv
from ablation.study.table_keys import TableKeys

FORMATS: dict[str, Callable[[Table, TableKeys], str]] = {  # suffix -> drawing
    "tex": latex.latex,
    "md": markdown_csv.markdown_table,
}
