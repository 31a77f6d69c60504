"""Times as people write them: 90s, 30m, 1h30m."""

import re

from ablation.errors import AblateError


def parse(option: str, text: str) -> float:
    """Seconds, more than none. Raises AblateError, naming the option."""
    match = re.fullmatch(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?", text.strip())
    days, hours, minutes, seconds = (int(part or 0) for part in (match.groups() if match else "0000"))
    found = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if not found:
        raise AblateError(f"{option} {text}: takes a time: 90s, 30m, 2h, 1h30m")
    return float(found)
