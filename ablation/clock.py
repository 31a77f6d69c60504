"""Clock of a process: unix seconds that never go back, so that no duration is negative when the system's is set."""

import time


def _steady() -> float:
    """Return seconds that also count while the machine sleeps, where the system has such a clock."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


_START = time.time() - _steady()


def now() -> float:
    """Return unix seconds, as the system's clock stood when this process began, plus the time since."""
    return _START + _steady()
