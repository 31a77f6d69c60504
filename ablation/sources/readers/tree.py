"""Files of a source's folder: which of them are read, with their digests, and what is said of the others."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from glob import has_magic
from pathlib import Path
from typing import Any, BinaryIO

from ablation.errors import AblateError
from ablation.sources.readers import compressed, documents

SHOWN = 5  # names of files in a note
SENTENCES = 50
MORE = "\0more"  # counts names that are not shown; no file has this name


def natural(name: str) -> list[list[tuple[int, str]]]:
    """Return the key of an order in which version_2 comes before version_10, folder by folder."""
    return [
        [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]+)", folder)]
        for folder in name.split("/")
    ]


def real(path: Path) -> Path:
    """Return the path with all links followed; a circle of links is no error."""
    return Path(os.path.realpath(path))


class Tree:
    """Files under the root of a source.

    Attributes:
        root: folder that the names of files are relative to.
        files: name of each file that was read -> sha256 of its content.
        remarks: start of a note -> names of the files that it is about, the first ones only, with their counts.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: dict[str, str] = {}
        self.remarks: dict[str, Counter[str]] = {}

    def name(self, path: Path) -> str:
        """Return the path relative to the root."""
        return path.relative_to(self.root).as_posix()

    def remark(self, sentence: str, name: str) -> None:
        """Add the name of a file to the files that a note is about."""
        names = self.remarks.setdefault(sentence, Counter())
        names[name if name in names or len(names) < SHOWN else MORE] += 1

    @property
    def notes(self) -> list[str]:
        """Sentences on the files, with at most five names in each, and at most fifty sentences."""
        sentences = [printable(f"{sentence}: {_listed(names)}") for sentence, names in self.remarks.items()]
        more = [f"{len(sentences) - SENTENCES} more notes are left out"] if len(sentences) > SENTENCES else []
        return sentences[:SENTENCES] + more

    def walk(self) -> list[Path]:
        """Return all regular files under the root in natural order. Links to folders are not followed."""
        paths: list[Path] = []
        for folder, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if not self._is_link_out(Path(folder, name))]
            paths.extend(Path(folder, name) for name in names)
        return self.kept(paths)

    def _is_link_out(self, path: Path) -> bool:
        """Return whether a folder is a link that leads out, and note it; os.walk follows no link itself."""
        if path.is_symlink() and not real(path).is_relative_to(real(self.root)):
            self.remark("Links that lead out of the folder are not followed", self.name(path))
        return path.is_symlink()

    def kept(self, paths: Iterable[Path]) -> list[Path]:
        """Return the regular files of `paths` in natural order; a file that several paths lead to is kept once."""
        root, targets, kept = real(self.root), set(), []
        links_last = sorted((real(path) != root / self.name(path), natural(self.name(path)), path) for path in paths)
        for _, _, path in links_last:
            target = real(path)
            if not target.is_relative_to(root):
                self.remark("Links that lead out of the folder are not followed", self.name(path))
            elif target in targets:
                self.remark("Links to a file that is read already are left out", self.name(path))
            elif target.is_file():
                targets.add(target)
                kept.append(path)
        return sorted(kept, key=lambda path: natural(self.name(path)))

    def _open(self, path: Path) -> BinaryIO:
        """Return the open file. Raises AblateError with its name where the system refuses."""
        try:
            return compressed.opened(path)
        except OSError as error:
            raise AblateError(f"{self.name(path)}: {error.strerror or error}") from None

    def text(self, path: Path) -> str:
        """Return the text of a file. Raises AblateError where the file is too large or cannot be read."""
        name = self.name(path)
        with compressed.refusals(name), self._open(path) as file:
            content = file.read(documents.LIMIT + 1)
        if len(content) > documents.LIMIT:
            raise AblateError(f"{name}: larger than {documents.LIMIT // 1_000_000} MB; split it into smaller files")
        self.files[name] = hashlib.sha256(content).hexdigest()
        return self.decoded(content, name)

    def decoded(self, content: bytes, name: str) -> str:
        """Return the text of bytes, and note where they are neither UTF-8 nor UTF-16."""
        text, is_latin = documents.decoded(content)
        if is_latin:
            self.remark("Not UTF-8, read as Latin-1", name)
        return text

    def json(self, path: Path) -> Any:
        """Return the value of a JSON file."""
        return documents.json_value(self.text(path), self.name(path))

    def yaml(self, path: Path) -> Any:
        """Return the value of a YAML file."""
        return documents.yaml_value(self.text(path), self.name(path))

    def csv(self, path: Path) -> list[dict[str, Any]]:
        """Return the lines of a CSV file as mappings."""
        return documents.csv_lines(self.text(path), self.name(path))

    def json_lines(self, path: Path) -> Iterator[tuple[int, str]]:
        """Yield (number, text) of the lines of a file that are not blank, without holding the file in memory."""
        name, digest = self.name(path), hashlib.sha256()
        with compressed.refusals(name), self._open(path) as file:
            if file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
                lines = enumerate(self.text(path).splitlines(), start=1)
                yield from ((number, line) for number, line in lines if line.strip())
                return
            file.seek(0)
            number = 0
            while content := file.readline(documents.LIMIT + 1):
                number += 1
                if len(content) > documents.LIMIT:
                    raise AblateError(f"{name}: line {number} is larger than {documents.LIMIT // 1_000_000} MB")
                digest.update(content)
                if content.strip():
                    yield number, self.decoded(content, name)
        self.files[name] = digest.hexdigest()


def _listed(names: Counter[str]) -> str:
    more = f" and {names[MORE]} more" if MORE in names else ""
    return ", ".join(name for name in names if name != MORE) + more


def printable(text: str) -> str:
    """Return the text as one line."""
    return "".join(c if c.isprintable() else " " for c in text)


def opened(address: str, suffixes: tuple[str, ...] = ()) -> tuple[Tree, list[Path]]:
    """Return the tree and the files of an address: a file, a folder, or a glob.

    Args:
        address: path; a path that exists is never a glob.
        suffixes: ends of the names of the files that are read in a folder; all files where empty.

    Raises AblateError where no file is there.
    """
    path = Path(os.path.expanduser(address))
    if path.is_file():
        tree = Tree(path.parent)
        return tree, [path]
    if path.is_dir():
        tree = Tree(path)
        paths = [p for p in tree.walk() if p.name.endswith(suffixes or "") and not _is_hidden(tree.name(p))]
    else:
        tree, paths = _matched(path)
    if not paths:
        wanted = f" with a name in {', '.join(suffixes)}" if path.is_dir() and suffixes else ""
        raise AblateError(
            f"{address}: no file{wanted}; give a file, a folder, or a pattern such as 'out/*/metrics.json'"
        )
    return tree, paths


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in Path(name).parts)


def _matched(pattern: Path) -> tuple[Tree, list[Path]]:
    """Return the tree under the fixed part of a pattern, and the files that match."""
    parts = pattern.parts
    fixed = next((index for index, part in enumerate(parts) if has_magic(part)), len(parts) - 1)
    tree = Tree(Path(*parts[:fixed]))
    if fixed >= len(parts) or not tree.root.is_dir():
        return tree, []
    return tree, tree.kept(path for path in tree.root.glob("/".join(parts[fixed:])) if path.is_file())
