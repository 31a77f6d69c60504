"""Pattern of names: the settings that the names of runs, files or folders hold, as a regular expression."""

import re
from collections.abc import Sequence

SEPARATORS = r"([_/,;&+ ]|-(?=[A-Za-z]))"
KEYED = re.compile(r"([A-Za-z]+)([=-]?)(\d+(?:\.\d+)?(?:e-?\d+)?)", re.IGNORECASE)
NUMBER = r"\d+(?:\.\d+)?(?:e-?\d+)?"
ENDING = re.compile(r"(\.(csv|tsv|txt|json|jsonl|ndjson|gz|bz2|xz))+$")
PART = "variant"  # group of a part without a name


def pattern_of(texts: Sequence[str]) -> str:
    """Return an expression with a named group for each part that differs between the names; "" where there is none.

    Names such as wide_lr0.1_seed2.csv are parted at signs. All need the same parts, in one order.
    """
    parted = [re.split(SEPARATORS, ENDING.sub("", text)) for text in dict.fromkeys(texts)]
    if len(parted) < 2 or len(parted[0]) == 1 or len({len(parts) for parts in parted}) > 1:
        return ""
    names: list[str] = []
    pieces = [_piece([parts[n] for parts in parted], names) for n in range(len(parted[0]))]
    return "".join(pieces) if names else ""


def _piece(values: Sequence[str], names: list[str]) -> str:
    """Return the expression of one part, and add the name of its group to `names`."""
    if len(set(values)) == 1:
        return re.escape(values[0])
    matches = [KEYED.fullmatch(value) for value in values]
    keys = {(match[1], match[2]) for match in matches if match}
    if all(matches) and len(keys) == 1:
        key, sign = keys.pop()
        name, start, value = key, f"{re.escape(key)}{sign}", NUMBER
    else:
        name, start, value = PART, "", NUMBER if all(re.fullmatch(NUMBER, v) for v in values) else "[^_/,;&+ ]+?"
    name = name if name not in names else f"{name}{len(names) + 1}"
    names.append(name)
    return f"{start}(?P<{name}>{value})"
