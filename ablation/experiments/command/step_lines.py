"""Lines of a .jsonl or .csv file as steps, where the file may be incomplete: a command writes to it, or was killed."""

import csv
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ablation.experiments.command.step_fields import flat


class StepLines:
    """Reader of lines, one after the other. `is_csv`: whether the first line is a header."""

    def __init__(self, is_csv: bool) -> None:
        self._is_csv = is_csv
        self._header: Sequence[str] = ()

    def fields(self, line: str) -> Mapping[str, Any] | None:
        """Return the fields of a line; None for a header, and for a line that cannot be read."""
        try:
            if not self._is_csv:
                content = json.loads(line)
                return dict(flat(content)) if isinstance(content, dict) else None
            cells = next(csv.reader([line]))
        except (ValueError, RecursionError, csv.Error):
            return None
        if not self._header:
            self._header = cells
            return None
        return dict(zip(self._header, cells, strict=False))
