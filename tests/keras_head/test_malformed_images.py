"""Malformed images and folders, a form a test: what can be read is read, the rest is named, and nothing hangs."""

import os
import shutil
import socket
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from malformed import refused
from PIL import Image

from ablation import cli
from ablation.errors import AblateError
from ablation.experiments.keras_head.datasets.images import SUFFIXES, decode, load

NOISE = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
RGB, GREY = Image.fromarray(NOISE), Image.fromarray(NOISE[..., 0])
WHOLE = "train/a/whole.png"


def faces(root: Path) -> Path:
    """A data set of one good image; a test adds further files."""
    (root / "train/a").mkdir(parents=True)
    GREY.save(root / WHOLE)
    return root


def decoded(root: Path) -> list[str]:
    """Return the names of the images that can be read. Raises AblateError where one cannot."""
    return sorted(decode(load(str(root)), [8]).index.names)


# ---- images that are read


def animated(path: Path) -> None:
    RGB.save(path, save_all=True, append_images=[GREY.convert("RGB")], duration=9)


READABLE: dict[str, Callable[[Path], object]] = {
    "small.png": lambda path: Image.new("L", (1, 1)).save(path),
    "thin.png": lambda path: Image.new("L", (1, 5000)).save(path),
    "wide.png": lambda path: Image.new("L", (5000, 1)).save(path),
    "animated.gif": animated,
    "animated.webp": animated,
    "pages.tiff": animated,
    "print.jpg": lambda path: RGB.convert("CMYK").save(path),
    "alpha.png": lambda path: RGB.convert("RGBA").save(path),
    "palette-alpha.png": lambda path: RGB.convert("P").save(path, transparency=3),
    "grey-alpha.png": lambda path: GREY.convert("LA").save(path),
    "bit.png": lambda path: GREY.convert("1").save(path),
    "png-inside.jpg": lambda path: RGB.save(path, "PNG"),
    "SHOUTED.JPEG": lambda path: RGB.save(path, "JPEG"),
    "rare.PgM": lambda path: GREY.save(path, "PPM"),
    "line\nbreak.png": RGB.save,
    "100%.png": RGB.save,
    "-rf.png": RGB.save,
    "two words;.png": RGB.save,
    "\N{GRINNING FACE}.png": RGB.save,
    os.fsdecode(b"latin-1 \xfc.png"): RGB.save,
}


@pytest.mark.parametrize("name", READABLE, ids=[ascii(name) for name in READABLE])
def test_an_image_of_another_kind_is_read(tmp_path: Path, name: str):
    """An image is read by its content, whatever its suffix, size, mode and name."""
    root = faces(tmp_path)
    READABLE[name](root / "train/a" / name)
    assert len(decoded(root)) == 2


def test_every_suffix_is_one_that_can_be_written(tmp_path: Path):
    """No suffix is looked for that could not be decoded."""
    root = faces(tmp_path)
    for suffix in SUFFIXES:
        RGB.save(root / f"train/a/1{suffix}")
    assert len(decoded(root)) == 1 + len(SUFFIXES)


# ---- images that are not read


def bomb(path: Path) -> None:
    """20,000 x 20,000 pixels in half a megabyte."""
    Image.new("1", (20_000, 20_000)).save(path)


BROKEN: dict[str, Callable[[Path], object]] = {
    "empty.png": lambda path: path.touch(),
    "half.png": lambda path: (RGB.save(path), path.write_bytes(path.read_bytes()[:-40])),
    "half.jpg": lambda path: (RGB.save(path), path.write_bytes(path.read_bytes()[:300])),
    "page.jpg": lambda path: path.write_text("<!DOCTYPE html><title>404</title>"),
    "deep.png": lambda path: Image.fromarray(NOISE[..., 0].astype(np.uint16)).save(path),
    "float.tif": lambda path: Image.fromarray(NOISE[..., 0].astype(np.float32)).save(path),
    "bomb.png": bomb,
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_image_that_cannot_be_read_is_named(tmp_path: Path, name: str):
    """The message names it, counts it and says what to do; --skip-bad leaves it out."""
    root = faces(tmp_path)
    BROKEN[name](root / "train/a" / name)
    with pytest.raises(AblateError, match=f"1 of 2 images cannot be decoded: train/a/{name}; fix or delete them, or"):
        decoded(root)
    left = decode(load(str(root)), [8], skip_bad=True)
    assert (left.bad, left.index.names) == ([f"train/a/{name}"], (WHOLE,))


# ---- what is no image


def fifo(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


PASSED_OVER: dict[str, Callable[[Path], object]] = {
    "pipe.png": fifo,
    "socket.png": a_socket,
    "dangling.png": lambda path: path.symlink_to("nowhere.png"),
    "itself.png": lambda path: path.symlink_to("itself.png"),
    "folder.png": lambda path: path.mkdir(),
    "around": lambda path: path.symlink_to("..", target_is_directory=True),
    "._whole.png": lambda path: path.write_bytes(b"\0\5\x16\7"),
    "Thumbs.db": lambda path: path.write_bytes(b"\xd0\xcf\x11\xe0"),
    "desktop.ini": lambda path: path.write_text("[.ShellClassInfo]"),
    ".ipynb_checkpoints": lambda path: (path.mkdir(), RGB.save(path / "whole-checkpoint.png")),
    "__MACOSX": lambda path: (path.mkdir(), RGB.save(path / "whole.png")),
    "@eaDir": lambda path: (path.mkdir(), RGB.save(path / "SYNOPHOTO_THUMB.jpg")),
}


@pytest.mark.parametrize("name", PASSED_OVER)
def test_what_is_no_image_is_passed_over(tmp_path: Path, name: str):
    """No file but regular ones is opened, so that no read waits; junk of operating systems and notebooks is no
    image."""
    root = faces(tmp_path)
    PASSED_OVER[name](root / "train/a" / name)
    assert decoded(root) == [WHOLE]


JUNK = ["__MACOSX", "__macosx", "lost+found", ".ipynb_checkpoints", "$RECYCLE.BIN", "System Volume Information",
        "@eaDir", "__pycache__", ".git"]  # fmt: skip


@pytest.mark.parametrize("name", JUNK)
@pytest.mark.parametrize("above", ["", "train", "train/a"])
def test_junk_is_no_class_and_no_split(tmp_path: Path, name: str, above: str):
    """Junk next to splits, classes and images is neither, with images in it or without."""
    root = faces(tmp_path / "faces")
    (root / above / name).mkdir()
    assert decoded(root) == [WHOLE]
    shutil.copytree(tmp_path / "faces/train", tmp_path / "copy", ignore=lambda *_: [name])
    shutil.copytree(tmp_path / "copy", root / above / name / "train")
    assert decoded(root) == [WHOLE]


def test_junk_of_an_archive_does_not_hide_the_data(tmp_path: Path):
    """An unpacked archive holds the data set in a folder, and macOS' own folder next to it."""
    root = faces(tmp_path / "faces").parent
    (root / "__MACOSX/faces/train").mkdir(parents=True)
    assert refused(root) == f"{root}: no class folders, but faces/ holds a data set; pass {root / 'faces'}"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
@pytest.mark.parametrize("place", ["train", "train/b", "train/b/deep"])
def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, place: str):
    """A folder that cannot be read is named: its images would be left out silently."""
    root = faces(tmp_path)
    (root / "train/b/deep").mkdir(parents=True)
    RGB.save(root / "train/b/1.png")
    (root / place).chmod(0)
    try:
        assert f"{root / place}: cannot be read: Permission denied; make it readable, or remove it" in refused(root)
    finally:
        (root / place).chmod(0o700)


def test_nothing_of_this_hangs_or_crashes_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """All forms at once, through `ablate data`: broken images are counted, the others are read."""
    root = faces(tmp_path)
    for name, write in (READABLE | BROKEN | PASSED_OVER).items():
        write(root / "train/a" / name)
    shutil.copytree(root / "train/a", root / "train/b", ignore=lambda *_: [*BROKEN, *PASSED_OVER])
    assert cli.run(["data", str(root)]) == 0
    out = capsys.readouterr().out
    assert f"cannot be decoded: {len(BROKEN)} (" in out
    assert f"{2 * (1 + len(READABLE)) + len(BROKEN)}" in out


CLASSES = [
    "NA",
    "null",
    "1e5",
    "=1+1",
    "a,b",
    "a|b",
    "$x$",
    "\N{GRINNING FACE}",
    "x" * 200,
    "'quoted\"",
    "%s {0}",
    "-rf",
]


def test_classes_of_any_name_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Names that other programs would take for a missing value, a number, a formula, an option or markup."""
    for name in CLASSES:
        (tmp_path / name).mkdir()
        RGB.save(tmp_path / name / "1.png")
    assert set(load(str(tmp_path)).classes) == set(CLASSES)
    assert cli.run(["data", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in CLASSES)


def test_names_do_not_break_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Names do not break lines, nor colour the terminal: `ablate data` prints them without control characters."""
    for name in ("a\nb", "c\x1b[31m"):
        (tmp_path / name).mkdir()
        RGB.save(tmp_path / name / "1.png")
        (tmp_path / name / "bad\n.png").touch()
    assert cli.run(["data", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert [line.partition(" ")[0] for line in out.splitlines()][:4] == ["class", "a", "c", "all"]
    assert out.splitlines()[-1].startswith("cannot be decoded: 2 (a b/bad .png, c [31m/bad .png)")


def test_decomposed_and_composed_names_are_one_class(tmp_path: Path):
    """A set that was half copied from macOS."""
    for form in ("NFC", "NFD"):
        (tmp_path / unicodedata.normalize(form, "é")).mkdir()
        RGB.save(tmp_path / unicodedata.normalize(form, "é") / "1.png")
    assert "one class only (" in refused(tmp_path)
