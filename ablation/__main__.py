"""`python -m ablation` is `ablate`."""

import signal

# Ctrl-C while modules are loaded ends the process without a traceback; `main` handles it from its beginning on.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from ablation.cli import main

if __name__ == "__main__":
    main()
