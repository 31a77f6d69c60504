"""`python -m ablation.api.watched_command`: `ablate`, which saves and ends when the process that started it has ended.

The parent holds the other end of stdin. Its end closes stdin: a kernel that is restarted leaves no run behind.
"""

import os
import signal
import threading

from ablation.cli import main


def _end_with_parent() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    main()
