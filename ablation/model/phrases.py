"""Wording that warnings and summaries share: lists, plurals, percentages."""

from collections.abc import Callable, Iterable, Mapping, Sequence

MANY = 12  # at most so many rows, terms or classes are listed one by one in a sentence


def listed(words: Iterable[object]) -> str:
    """Return a list in words, such as "1, 3 and 5". Beyond MANY words, the last item is the number of further ones."""
    texts = [str(word) for word in words]
    if len(texts) > MANY:
        texts = [*texts[: MANY - 1], f"{len(texts) - MANY + 1:,} more"]
    *initial, last = texts
    return f"{', '.join(initial)} and {last}" if initial else last


def which(rows: Iterable[int], one: str = "", more: str = "") -> str:
    """Return row numbers in words, followed by the verb.

    Examples are "row 3", "rows 1 to 4, 6 and 9", and "847 rows" for many scattered rows.

    Args:
        rows: row numbers.
        one: verb for a single row.
        more: verb for several rows.
    """
    numbers = sorted(set(rows))
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = [
        text
        for run in runs
        for text in ([f"{run[0]} to {run[-1]}"] if len(run) > 2 else [str(number) for number in run])
    ]
    verb = more if numbers[1:] else one
    names = f"row{'s' if numbers[1:] else ''} {listed(parts)}" if len(parts) <= MANY else f"{len(numbers):,} rows"
    return f"{names} {verb}" if verb else names


def sentence(text: str) -> str:
    """Return the text with a capital first letter."""
    return text[0].upper() + text[1:]


def plural(n: int, one: str, more: str = "") -> str:
    """Return a number with its noun, such as "1 row" or "3 rows"."""
    return f"{n:,} {one if n == 1 else more or f'{one}s'}"


def p_value(p: float) -> str:
    """Return a p value with its name, such as "p = 0.170" or "p < 0.001"."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def percent(fraction: float, decimals: int = 1) -> str:
    """Return a fraction as a percentage, such as "12.3%"."""
    return f"{100 * fraction:.{decimals}f}%"


def points(fraction: float, decimals: int = 1) -> str:
    """Return a difference of two fractions in percentage points, such as "1.2 pp"."""
    return f"{100 * fraction:.{decimals}f} pp"


def extreme(values: Mapping[int, float], rows: Sequence[int], write: Callable[[float], str]) -> str:
    """Return the rows with the largest value, all that share it as written, and that value; for a single row, the value
    alone."""
    most = write(max(values[row] for row in rows))
    return f"{which(row for row in rows if write(values[row]) == most)} the most, {most}" if rows[1:] else most
