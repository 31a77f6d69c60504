"""Warning as data."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Diagnostic:
    """One warning.

    Attributes:
        code: permanent identifier, such as SINGLE_SEED.
        fact: one sentence.
        consequence: one sentence.
        remedy: one sentence.
        rows: numbers of the rows that the warning is about.
        grade: invalidates, weakens or note; see report.warnings.Rule.
    """

    code: str
    fact: str
    consequence: str
    remedy: str
    rows: tuple[int, ...] = ()
    grade: str = ""
