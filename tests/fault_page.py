"""Tables of docs/concepts/faults.md, drawn from the log of a whole run.

ABLATE_TEST_FAULTS=all ABLATE_TEST_FAULTS_LOG=faults.jsonl pytest -m faults -n 0
python tests/fault_page.py faults.jsonl >> tables.md
"""

import json
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from fault_series import Series

from ablation.model.phrases import plural

OWN = "ablate"


def _table(columns: Iterable[str], lines: Iterable[Iterable[object]]) -> str:
    texts = [list(columns), ["---"] * len(list(columns)), *([str(cell) for cell in line] for line in lines)]
    return "\n".join(f"| {' | '.join(line)} |" for line in texts)


def tables(series: Iterable[Series]) -> str:
    """Return two tables in Markdown: the faults of this program by name, and those that others were given too."""
    every = list(series)
    shared = dict.fromkeys(one.fault for one in every if one.program != OWN)
    own = sorted((one for one in every if one.program == OWN and one.fault not in shared), key=lambda one: one.fault)
    first = _table(
        ["fault", "injected", "rows lost", "work repeated"],
        ([one.fault, f"{one.injected:,}", one.lost, one.repeated] for one in own),
    )
    programs = dict.fromkeys(one.program for one in every if one.fault in shared)
    cells = {(one.fault, one.program): f"{plural(one.lost, 'row')}, {one.repeated}" for one in every}
    second = _table(
        ["fault", *programs], ([fault, *(cells.get((fault, program), "") for program in programs)] for fault in shared)
    )
    return f"{first}\n\n{second}\n" if shared else f"{first}\n"


def read(path: Path) -> list[Series]:
    """Return the series of a log. Series of one fault are one: their numbers are added, the last text stays."""
    sums: dict[tuple[str, str], Series] = {}
    for text in path.read_text().splitlines():
        new = Series(**json.loads(text))
        old = sums.get(key := (new.program, new.fault), replace(new, injected=0, lost=0))
        sums[key] = replace(new, injected=old.injected + new.injected, lost=old.lost + new.lost)
    return list(sums.values())


if __name__ == "__main__":
    print(tables(read(Path(sys.argv[1]))), end="")
