"""`python -m ablation` is `ablate`."""

from ablation.cli import main

if __name__ == "__main__":
    main()
