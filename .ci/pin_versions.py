"""Pins the versions of all dependencies in pyproject.toml, so that `uv sync` installs the versions that were tested.

    python .ci/pin_versions.py              pin what has no pin yet, and delete pins that nothing needs
    python .ci/pin_versions.py --upgrade    pin the newest versions that fit together
    python .ci/pin_versions.py --check      write nothing; print what would change, and end with 1 where something would

uv resolves them for all platforms and for Python from 3.11 on. Run the tests after an upgrade.
"""

import argparse
import difflib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
BEGIN, END = "constraint-dependencies = [  # .ci/pin_versions.py writes these lines\n", "]  # end of the pins\n"
PIN = re.compile(r"[A-Za-z0-9._-]+==[^\s;@]+( ; .+)?")


def pins_of(text: str) -> list[str]:
    """Return the pins that pyproject.toml has."""
    return re.findall(r"^    ['\"](.+)['\"],$", _split(text)[1], re.MULTILINE)


def with_pins(text: str, pins: list[str]) -> str:
    """Return pyproject.toml with other pins."""
    before, _, after = _split(text)
    return before + "".join(f"    {_quoted(pin)},\n" for pin in pins) + after


def _quoted(pin: str) -> str:
    return f"'{pin}'" if '"' in pin else f'"{pin}"'


def _split(text: str) -> tuple[str, str, str]:
    """Return pyproject.toml before the pins, the pins, and what follows."""
    begin = text.index(BEGIN) + len(BEGIN)
    end = text.index(END, begin)
    return text[:begin], text[begin:end], text[end:]


def resolved(text: str, upgrade: bool) -> list[str]:
    """Return pins of all dependencies and extras. Raises CalledProcessError where nothing fits together."""
    with tempfile.TemporaryDirectory() as place:
        source, target = Path(place) / "pyproject.toml", Path(place) / "pins.txt"
        source.write_text(with_pins(text, []))  # the present pins are preferences, not conditions
        target.write_text("\n".join(pins_of(text)))
        command = ["uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--all-extras"]
        command += ["--no-header", "--no-annotate", "--output-file", str(target), str(source)]
        subprocess.run(
            [*command, *(["--upgrade"] if upgrade else [])], check=True, stdout=subprocess.DEVNULL, cwd=place
        )
        lines = [line.split(" #")[0].strip() for line in target.read_text().splitlines()]
    pins = [line for line in lines if line and not line.startswith(("ablate-table", "-e", "#"))]
    if wrong := [pin for pin in pins if not PIN.fullmatch(pin)]:
        raise SystemExit(f"not a pin: {wrong[0]}")
    return [re.sub(r"\[.*?\]", "", pin) for pin in pins]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upgrade", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    path = ROOT / "pyproject.toml"
    text = path.read_text()
    old, new = pins_of(text), resolved(text, options.upgrade)
    changes = [line for line in difflib.ndiff(old, new) if line[0] in "+-"]
    print("\n".join(changes) if changes else f"{len(new)} pins, unchanged")
    if changes and not options.check:
        path.write_text(with_pins(text, new))
    return 1 if changes and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
