"""Durations as people write them: 90s, 30m, 1h30m."""

import re

from ablation.errors import AblateError

UNITS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}


def parse(option: str, text: str) -> float:
    """Return the seconds of a duration, more than 0. Raises AblateError, which names the option."""
    match = re.fullmatch("".join(rf"(?:([0-9]{{1,6}}(?:\.[0-9]+)?){unit})?" for unit in UNITS), text.strip())
    seconds = sum(float(n or 0) * s for n, s in zip(match.groups(), UNITS.values(), strict=True)) if match else 0.0
    if not seconds:
        raise AblateError(f"{option} {text}: expected hours, minutes and seconds, as in 2h, 30m, 90s or 1h30m")
    return seconds


def duration(seconds: float) -> str:
    """Return seconds as text: 3725 is 1:02:05, 65 is 1:05."""
    minutes, remainder = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{remainder:02}" if hours else f"{minutes}:{remainder:02}"
