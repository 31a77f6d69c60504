"""Pages that an extension writes before Sphinx reads them."""

from collections.abc import Mapping
from pathlib import Path


def write(folder: Path, pages: Mapping[str, str]) -> None:
    """Write pages by name, where they differ, and delete others: Sphinx then reads only what has changed."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in [path for path in folder.glob("*.md") if path.stem not in pages]:
        path.unlink()
    for name, text in pages.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def hidden_toctree(names: list[str]) -> list[str]:
    """Return the lines of a table of contents that only the navigation shows."""
    return ["```{toctree}", ":hidden:", "", *names, "```", ""]
