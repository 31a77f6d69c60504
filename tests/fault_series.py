"""Series of injected faults: how large they are, and the figures that docs/concepts/faults.md is drawn from.

By default a series is a bounded share of itself. ABLATE_TEST_FAULTS=all runs it whole. ABLATE_TEST_FAULTS_LOG=FILE
appends a JSON line for each series to that file.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

NOT_SHARE = "of the whole series alone: ABLATE_TEST_FAULTS=all"
WHOLE = os.environ.get("ABLATE_TEST_FAULTS") == "all"


@dataclass(frozen=True)
class Series:
    """Faults of one kind that a test injected.

    `program`: what the fault hit: ablate, or a program that is compared with it. `lost`: rows that the last table does
    not have as an undisturbed one. `repeated`: work done again, in words, with the unit: "2.6 steps a kill".
    """

    fault: str
    injected: int
    lost: int = 0
    repeated: str = ""
    program: str = "ablate"

    def record(self) -> None:
        """Print the figures, and append them to the log where one is named."""
        print(f"{self.program}: {self.fault}: {self.injected} injected, {self.lost} rows lost; {self.repeated}")
        if log := os.environ.get("ABLATE_TEST_FAULTS_LOG"):
            with Path(log).open("a") as file:
                file.write(json.dumps(asdict(self)) + "\n")
