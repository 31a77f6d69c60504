"""JSON lines: a value a line; a broken line is an error, but for the last one, which a process may have died in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ablation.errors import AblateError
from ablation.sources.readers.documents import json_value
from ablation.sources.readers.tree import Tree


class BrokenLine(AblateError):
    """Error for a line that is not JSON, with lines below it."""


def json_lines(tree: Tree, path: Path) -> Iterator[tuple[int, Any]]:
    """Yield (number, value) of the lines of a file.

    A last line that is not JSON is noted and left out: a process that was killed while it wrote leaves such a line, and
    lacks no other. A broken line with lines below it was damaged later, so that nobody knows which runs are missing.

    Raises BrokenLine with the file and the line.
    """
    name = tree.name(path)
    broken = 0
    for number, text in tree.json_lines(path):
        if broken:
            raise BrokenLine(f"{name}:{broken}: the line is not JSON, and others are below it; mend or delete the line")
        try:
            value = json_value(text, f"line {number}")
        except AblateError:
            broken = number
            continue
        yield number, value
    if broken:
        tree.remark("The last line is cut and left out", f"{name}:{broken}")
