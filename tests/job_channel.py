"""Channel of a job that tests run in their own process."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Channel:
    """A job's channel; `asks`: returns whether the job should stop. `reports`: messages of the job."""

    asks: Callable[[], bool] = lambda: False
    reports: list[dict[str, Any]] = field(default_factory=list)

    def begin(self) -> None: ...

    def report(self, message: dict[str, Any]) -> None:
        self.reports.append(message)

    def stopping(self) -> bool:
        return self.asks()
