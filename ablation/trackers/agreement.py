"""Agreement of a workspace's databases with the files of a study: while neither has changed, none need be opened."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablation.analysis.held_out import HeldOutScores
from ablation.store import header
from ablation.store.files import write_text
from ablation.store.record import Record
from ablation.store.workspace import Workspace
from ablation.trackers.content import Published


@dataclass(frozen=True)
class Agreement:
    """Agreement of Optuna's and MLflow's databases in a workspace with the files of a study, as a file notes it."""

    workspace: Workspace
    record: Record

    def content(self, published: Published, tests: HeldOutScores | None) -> str:
        """Return a digest of everything that the trackers are sent of the study."""
        study = published.study
        content: dict[str, Any] = {
            "files": published.files,
            "notes": self.record.all_notes,
            "warnings": published.warnings,
            "results": {self.record.trial_key(t): vars(result) for t, result in study.results.items() if result},
            "tests": {self.record.trial_key(t): values for t, values in tests.scores.items()} if tests else {},
            "artifacts": {
                self.record.trial_key(t): [a.stamp for a in files] for t, files in published.artifacts.items()
            },
            "evaluations": [(e.name, e.measured, e.scores) for e in study.evaluations],
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()

    def holds(self, content: str) -> bool:
        """Return whether both databases have this content, and have not changed since."""
        return self._path.is_file() and self._path.read_bytes() == self._state(content).encode()

    def forget(self) -> None:
        """Note that messages are being sent."""
        self._path.unlink(missing_ok=True)

    def note(self, content: str) -> None:
        """Note that both databases have this content."""
        write_text(self._path, self._state(content))

    @property
    def _path(self) -> Path:
        return self.workspace.study(self.record.name).agreement

    def _state(self, content: str) -> str:
        databases = {path.name: _stamp(path) for path in (self.workspace.optuna, self.workspace.mlflow)}
        return json.dumps({"schema": header.FORM, "content": content, "databases": databases}, indent=1) + "\n"


def _stamp(path: Path) -> list[int]:
    """Return the size and the time of the last change (ns) of a database, and of its write-ahead log."""
    stats = [p.stat() for p in (path, path.with_name(f"{path.name}-wal")) if p.exists()]
    return [number for stat in stats for number in (stat.st_size, stat.st_mtime_ns)]
