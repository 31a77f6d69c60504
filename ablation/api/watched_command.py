"""`python -m ablation.api.watched_command`: `ablate`, which saves and ends when the process that started it has ended.

The parent holds the other end of stdin. Its first line has the words of the command, separated by zero bytes, in
hexadecimal. Its end closes stdin: a kernel that is restarted leaves no run behind.
"""

import os
import signal
import sys
import threading

from ablation.cli import main


def _words() -> list[str]:
    """Return the words of the command. The line is read byte by byte: the rest of stdin is watched for its end."""
    line = bytearray()
    while (byte := os.read(0, 1)) not in (b"", b"\n"):
        line += byte
    return [os.fsdecode(word) for word in bytes.fromhex(line.decode()).split(b"\0")]


def _end_with_parent() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    sys.argv[1:] = _words()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    main()
