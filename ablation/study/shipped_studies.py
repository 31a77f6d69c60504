"""Studies that are shipped with this package: their files, and names for sets of them.

No large library is loaded: the completion of a shell lists the names.
"""

from importlib.resources import files
from pathlib import Path

SETS = {"all-paper": "heads,baseline,paper"}  # names for sets of studies


def study_files(folder: Path) -> dict[str, Path]:
    """Return the study files of a folder: name -> file."""
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def shipped() -> dict[str, Path]:
    """Return the studies that are shipped with this package: name -> file."""
    package = Path(str(files("ablation")))
    installed = package / "studies"  # in a checkout, the studies are stored next to the package
    return study_files(installed if installed.is_dir() else package.parent / "studies")
