"""Coverage of the intervals and family-wise error of the tests, for each kind of evidence, as a Markdown table.

    python tests/benchmarks/coverage.py [--studies 4000] [--coverage 1000] [--lines groups] [--whole]

Every study is drawn from a known truth (tests/statistics/simulations.py). Its intervals and tests are those of the
layer below the analysis of a study, many studies at a time; with --whole, those of the whole analysis, study by study,
which are the same (tests/statistics/test_coverage.py). Of each line, 4,000 studies have equal rows (errors), and as
many, or --coverage, have rows that differ (coverage). Slow lines run fewer. In brackets: the Monte-Carlo standard
error. Flips: rows that the sign-flip test, which is not adjusted, calls different. None: rows and differences without
an interval, which count in no coverage. The verdict takes the counts as they are, without their Monte-Carlo error.

Aggregates of few examples, by the jackknife's pseudo-values (4,000 studies a line, with seeds 2,000; coverage of rows
and of differences, family-wise error, in %; bootstrap percentiles had errors of 7.9, 7.0 and 7.6 in the lines with *):
RMSE, N = 500: 94.7, 94.8, 4.6; R2, N = 100 and 500: 94.5, 94.6, 3.7 and 95.3, 95.2, 4.2; Pearson's r: 94.5, 94.9, 4.1
and 95.2, 94.9, 4.2; macro-F1, N = 200 and 600: 95.7, 95.2, 4.8 and 95.1, 94.9, 4.4; balanced accuracy: 94.8, 94.9,
4.2* and 95.0, 94.7, 4.3; AUC, N = 100 and 300: 95.4, 94.8, 2.8* and 95.1, 95.0, 4.0; RMSE of S = 3, 5, 10 and 20
seeds: 97.5, 97.8, 1.9; 95.9, 96.5, 2.6*; 95.5, 96.2, 3.8; 94.7, 94.8, 3.9.
"""

import argparse
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "statistics"))

import simulations
from simulations import Counts, Line, Rate

HEADINGS = (
    "evidence", "methods", "settings", "studies", "rows, %", "differences, %", "family-wise error, %", "flips, %",
    "none, %", "nominal", "ms a study", "verdict",
)  # fmt: skip


def _percent(rate: Rate) -> str:
    """Return a rate with its standard error, in percent."""
    return f"{100 * rate.value:.1f} ({100 * rate.error:.1f})" if rate.n else "-"


def _verdict(line: Line, counts: Counts) -> str:
    """Return which bounds are broken, otherwise whether the method is conservative."""
    if broken := simulations.failures(line, counts):
        return "**" + ", ".join(broken) + "**"
    parts = {"rows": counts.rows, "differences": counts.differences}
    wide = [name for name, rate in parts.items() if rate.n and rate.value > simulations.CLAIMED.highest]
    return f"holds; conservative: {', '.join(wide)}" if wide else "holds"


def _cells(line: Line, counts: Counts, seconds: float) -> list[str]:
    """Return the cells of one line."""
    nominal = "95; ≤ 5" + (" (exact)" if any(line.exact) else "")
    rates = map(_percent, (counts.rows, counts.differences, counts.family, counts.flips))
    without = " / ".join(f"{100 * share:.1f}" for share in counts.without) if any(counts.without) else "-"
    spent = f"{1000 * seconds / (counts.rows.n + counts.family.n):.1f}"
    studies = f"{counts.rows.n:,}; {counts.family.n:,}"
    return [line.kind, line.methods, line.settings, studies, *rates, without, nominal, spent, _verdict(line, counts)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=4_000)
    parser.add_argument("--lines", default="", help="regular expression on kind and settings; all lines by default")
    parser.add_argument("--coverage", type=int, default=0, help="studies whose rows differ; by default as many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--whole", action="store_true", help="run the whole analysis of each study")
    asked = parser.parse_args()
    claimed = simulations.whole if asked.whole else simulations.layered
    print("| " + " | ".join(HEADINGS) + " |\n|" + " --- |" * len(HEADINGS), flush=True)
    for line in simulations.lines():
        if re.search(asked.lines, line.name):
            began = time.perf_counter()
            studies, of_different = (max(2, n // line.cost) for n in (asked.studies, asked.coverage or asked.studies))
            counts = simulations.count(line, studies, asked.seed, claimed, of_different)
            print("| " + " | ".join(_cells(line, counts, time.perf_counter() - began)) + " |", flush=True)


if __name__ == "__main__":
    main()
