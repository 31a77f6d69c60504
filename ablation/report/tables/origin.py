"""Origin that a drawn file states of itself: its study, its table, and the options with which it was drawn."""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ablation.model.table import WORDING, Table
from ablation.study.table_keys import TableKeys

DRAWN_WITH = ("style", "form", "wide", "marks", "intervals", "order")  # keys of [table] that a file repeats
REPORT = "report"  # in place of a table's key, for report.html
BEGINNING = re.compile(r'(?:ablate: |id="ablate-origin">)(?={)')
OLD = re.compile(  # as version 0.1.0 wrote it
    r"ablate: study (\S+?), table (\w+)(?:, wording (\d+))?(?:, drawn with style=(\w+) form=(\w+) float=(\S+))?"
)


class Origin(NamedTuple):
    """Origin of a drawn file.

    `study`: name of the study, "" for none. `table`: key of the table. `drawn_with`: keys of [table]. `wording`:
    version of headings, captions and notes; 1 where the file states none.
    """

    study: str
    table: str
    drawn_with: Mapping[str, Any]
    wording: int = 1


def stated(study: str, table: str, keys: TableKeys) -> str:
    """Return the origin of a file as JSON, which may stand in a comment of LaTeX, Markdown or HTML."""
    drawn_with = {name: getattr(keys, name) for name in DRAWN_WITH}
    content = {"study": re.sub(r"[^\w.+-]", "", study), "table": table, "wording": WORDING, **drawn_with}
    text = json.dumps(content, ensure_ascii=False)
    return text.replace("--", "-\\u002d").replace("<", "\\u003c").replace(">", "\\u003e")


def of_table(table: Table, keys: TableKeys) -> str:
    """Return the origin of a table's file; see `stated`."""
    return stated(table.name, table.key, keys)


def read(text: str) -> Origin:
    """Return the origin that the text of a file states."""
    if match := BEGINNING.search(text):
        try:
            content, _ = json.JSONDecoder().raw_decode(text, match.end())
            drawn_with = {name: content[name] for name in DRAWN_WITH if name in content}
            return Origin(str(content["study"]), str(content["table"]), drawn_with, int(content["wording"]))
        except (ValueError, KeyError, TypeError):
            return Origin("", "", {})
    old = OLD.search(text)
    if not old:
        return Origin("", "", {})
    drawn_with = {"style": old[4], "form": old[5], "wide": old[6] == "table*"} if old[4] else {}
    return Origin(old[1], old[2], drawn_with, int(old[3] or 1))
