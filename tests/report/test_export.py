"""The table says the same in CSV, LaTeX and Markdown, whatever the names in it are."""
# ruff: noqa: RUF001 (signs that look like others are what this file is about)

import csv
import functools
import io
import re
import shutil
import statistics
import subprocess
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
import synthetic
from hypothesis import given, settings
from hypothesis import strategies as st

from ablation.analysis.selection import Selection
from ablation.experiments.keras_head import factors
from ablation.experiments.keras_head.inputs import Weights
from ablation.measures.classes import of_classes
from ablation.model.table import Cell, Column, Table
from ablation.outcomes import Status
from ablation.report.tables import dataframes, escape, html, markdown_csv, origin, table
from ablation.report.tables.latex import latex as draw_latex
from ablation.report.tables.provenance import Chapter
from ablation.report.templates import HTML
from ablation.store.record import Record
from ablation.store.result import Result
from ablation.study import study_file
from ablation.study.grid import Grid
from ablation.study.levels import Condition
from ablation.study.table_keys import TableKeys

COUNTS = {
    "train": (4000, 1500, 3600, 6000, 4200, 1300),
    "val": (400, 150, 360, 600, 420, 130),
    "test": (1058, 369, 953, 1593, 1124, 334),
}
MAJORITY = 1593 / 5431
HOSTILE = [
    "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1",
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "&amp;", "https://example.org", "[a](http://b)",
    "![a](b)", "**b**", "`code`", "a|b", r"a\|b", r"a\\|b", "|", "||", "1. x", "- x", "# x", "---",
    r"\input{/etc/passwd}", r"\write18{ls}", r"\end{tabular}", "[x]", "[5cm]", "*", "%", "$x$", "a_b", "~", "^^M",
    "^^5c", "{", "}", "}{", "backslash\\", "two\\\\", "a--b---c", "?`!`", "''``", '"a', "-", "--", ",,", "../../x",
    "😀", "\u202eabc", "\u200f\u200d", "nul\0nul", "line\nline\r\nline\u2028line", "\x1b[31m", "", " ",
    "αβγ ΔΩ", "ά", "µ", "5 ± 3 %", "✓", "é", "naïve Straße", "ŵ", "Łódź", "e\u0301", "\u0301", "ﬁ", "ａ＆", "﹪",
    "한글", "עברית", "中文", "Щука ёж", "x\u0302", "∂L/∂θ ∇ ← ⇒ ∈ ✗ € £ § ¿ « ı",
     "{selected} x", "{reference}", "x" * 10_000, "W" * 10_000, "long word " * 1000,
]  # fmt: skip


FORMULA = tuple("=+-@＝＋－＠")


# ---- tables to draw


def record_of(design: Grid, **other) -> Record:
    named = {
        "name": design.stem,
        "data": "faces",
        "images": "0" * 16,
        "classes": tuple("ABCDEF"),
        "counts": {"given": COUNTS},
        "splits": {"given": "1" * 16},
        "weights": {
            f"vgg16/{level}": Weights(level=level, source=level, digest="d")
            for level in {r.weights for r in design.rows}
        },
        "backend": "tensorflow",
    }
    return synthetic.of_images(grid=design, **(named | other))


def accuracy(row: int, seed: int = 0) -> float:
    return 0.6 + row / 97 + seed / 311


def outcomes(record: Record, failed: dict[tuple[int, int], str]) -> tuple[dict, dict]:
    """Made-up results of every trial, and the test scores of those that are done. `failed`: (row, seed) -> outcome."""
    results, tests = {}, {}
    for trial in record.grid.trials():
        if outcome := failed.get((trial.row, trial.seed)):
            results[trial] = (
                None if outcome == dataframes.NOT_RUN else Result(Status(outcome), trial.step, error="=1\nx")
            )
            continue
        value = accuracy(trial.row, trial.seed)
        scores = {"train": dict.fromkeys(of_classes(), value + 0.1), "val": dict.fromkeys(of_classes(), value)}
        tests[trial] = dict.fromkeys(of_classes(), value - 0.02)
        results[trial] = Result(Status.DONE, trial.step, scores, parameters=10, started=1.5e9, finished=1.5e9 + 1)
    return results, tests


def selection(row: int) -> Selection:
    rule = "highest validation accuracy at the last epoch"
    return Selection(rule=rule, metric="val_accuracy", row=row, trials=(), value=0.9, validation="0", sealed="")


def drawn(design: Grid, failed: dict | None = None, selected: int | None = 5, **other) -> tuple[Table, pd.DataFrame]:
    """Return the table of a study with made-up results, and the frame of its rows."""
    record = record_of(design, **other)
    chosen = selection(selected) if selected else None
    results, tests = outcomes(record, failed or {})
    trials = dataframes.trials(record, results, tests)
    rows = dataframes.rows(record, trials, chosen)
    return table.build(record, dataframes.with_failures(rows, trials, False), MAJORITY, chosen), rows


def study(*rows: Condition, title: str = "t", **other) -> Grid:
    """A grid by hand; of two rows that differ in dropout, where none are given."""
    rows = rows or (factors.condition(), factors.condition(dropout=0.5))
    named = {
        "stem": "study",
        "title": title,
        "factors": synthetic.SCHEMA,
        "rows": rows,
        "labels": ("",) * len(rows),
        "published": ({},) * len(rows),
        "reference": 1,
        "select_on": "val_accuracy",
        "seeds": (0,),
        "split_seed": 0,
        "settings": {},
    }
    return Grid(**(named | other))


def one_cell(kind: str, value: object, key: str = "x", bold: bool = False) -> Table:
    """A table of one row: its number, and one cell."""
    columns = (Column("row", "#", "row"), Column(key, "X", kind, "Group (%)"))
    return Table("t", "c", columns, ((Cell(1), Cell(value, bold)),), (frozenset(),), (), 1)


# ---- tables to read back


def tex_rows(text: str) -> list[list[str]]:
    """Return the cells of each row between the rules; one that spans n columns comes n times."""
    body = text.split("\\midrule\n")[1].split("\\bottomrule")[0].replace("\\addlinespace\n", "")
    return [tex_cells(re.sub(r" % [0-9a-f -]+$", "", line)) for line in body.splitlines()]


def tex_cells(line: str) -> list[str]:
    cells = []
    for cell in re.split(r" (?<!\\)& ", line.removesuffix(" \\\\")):
        span = re.fullmatch(r"\\multicolumn\{(\d+)\}\{c\}\{(.*)\}", cell)
        cells += [span[2]] * int(span[1]) if span else [cell]
    return cells


def markdown_rows(text: str) -> list[list[str]]:
    """Return the cells of each row under the heading, split at pipes that no backslash escapes, escapes taken back."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [re.findall(r"((?:[^\\|]|\\.)*)\|", line.removeprefix("|")) for line in lines]
    return [[re.sub(r"\\(.)", r"\1", cell.strip()) for cell in line] for line in cells[2:]]


def csv_rows(frame: pd.DataFrame) -> list[dict[str, str]]:
    text = markdown_csv.csv(frame)
    lines = list(csv.reader(io.StringIO(text, newline="")))
    assert {len(line) for line in lines} == {len(lines[0])}
    assert len(lines) == text.count("\n") == len(text.splitlines())
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def balanced(text: str) -> bool:
    """Return whether braces that no backslash escapes open and close in order."""
    depth = 0
    for brace in re.findall(r"(?<!\\)(?:\\\\)*([{}])", text):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    return depth == 0


SAFE_TEX = re.compile(
    r"(?: [A-Za-z0-9\ !()+,\-./:;=?@'] | \\[{}$&#_%] | \{\} | \{(?:[\[\]*`]|[?!]`)\}"
    r"| \\(?:text[a-z]+|i|S|P|copyright|pounds|ss|ae|AE|oe|OE|o|O|l|L)\{\} | \\[`'^~=.\"urHvc]\{[A-Za-z]\}"
    r"| \$-\$ | \$\\[a-zA-Z]+\$ | \$\^\{(?:\\circ|[123])\}\$ )*",
    re.VERBOSE,
)


@pytest.fixture(scope="session")
def pdflatex() -> str:
    return shutil.which("pdflatex") or pytest.skip("no pdflatex here: the LaTeX is checked by its text alone")


def compiled(pdflatex: str, folder: Path, *tables: str) -> str:
    """Return the log of a document that holds the tables, each on a page of its own, and loads booktabs alone."""
    pages = "\n\\clearpage\n".join(tables)
    head = "\\documentclass{article}\n\\usepackage{booktabs}\n\\usepackage[margin=1in]{geometry}\n\\begin{document}\n"
    (folder / "page.tex").write_text(f"{head}{pages}\n\\end{{document}}\n", encoding="utf-8")
    command = [pdflatex, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "page.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    log = (folder / "page.log").read_text(errors="replace")
    assert done.returncode == 0, "\n".join(re.findall(r"(?m)^(?:!|l\.\d).*$", log))
    assert (folder / "page.pdf").is_file()
    return log


# ---- what the table says


@pytest.fixture(scope="module")
def paper() -> tuple[Table, pd.DataFrame]:
    return drawn(study_file.read("paper"))


def test_rows_stand_in_study_order(paper):
    """No format sorts: row k of the study is row k of the table."""
    model, rows = paper
    assert [line["row"] for line in csv_rows(rows)] == [str(n) for n in range(1, 10)]
    assert [re.match(r"\d+", line[0])[0] for line in tex_rows(draw_latex(model))] == [str(n) for n in range(1, 10)]
    numbers = [line[0].strip("*°★") for line in markdown_rows(markdown_csv.markdown_table(model))]
    assert numbers == [str(n) for n in range(1, 10)]
    assert [line[4] for line in tex_rows(draw_latex(model))][5:8] == ["4096", "2048", "8192"]


def test_reference_and_selected_are_marked_by_the_row_number(paper):
    """Marks stand where they leave numbers aligned, and a note says what each means."""
    model, rows = paper
    latex, markdown = draw_latex(model), markdown_csv.markdown_table(model)
    assert [line[0] for line in tex_rows(latex)][1] == r"2$^{\circ}$"
    assert [line[0] for line in tex_rows(latex)][4] == r"5$^{\star}$"
    assert [line[0] for line in markdown_rows(markdown)][1:5] == ["2°", "3", "4", "**5★**"]
    assert "$\\circ$ reference row (differs from rows 1, 3, 5, 7 and 8 in one factor).\n" in latex
    assert "\n★ selected (bold): highest validation accuracy at the last epoch. The test columns played no" in markdown
    assert [n for n, line in enumerate(csv_rows(rows), start=1) if line["reference"] == "True"] == [2]
    assert [n for n, line in enumerate(csv_rows(rows), start=1) if line["selected"] == "True"] == [5]


def test_a_row_may_be_both_reference_and_selected():
    """Both marks stand on one row."""
    model, _ = drawn(study_file.read("paper"), selected=2)
    assert tex_rows(draw_latex(model))[1][0] == r"2$^{\circ\star}$"
    assert markdown_rows(markdown_csv.markdown_table(model))[1][0] == "**2°★**"


def test_bold_is_what_was_selected_and_why(paper):
    """The selected row's factors and its validation value: never a test number, never another row."""
    model, _ = paper
    bold = [(n, c.key, c.kind) for n, row in enumerate(model.rows, 1) for c, x in zip(model.columns, row) if x.bold]  # noqa: B905
    factors = [(5, key, "factor") for key in ("batch_size", "learning_rate", "epochs", "fc_units")]
    assert bold == [(5, "row", "row"), *factors, (5, "val_accuracy", "percent")]
    assert [c for row in tex_rows(draw_latex(model)) for c in row if "textbf" in c] == [
        r"\textbf{256}", r"\textbf{\boldmath $10^{-4}$}", r"\textbf{100}", r"\textbf{4096}", r"\textbf{65.2}",
    ]  # fmt: skip
    assert [c for row in markdown_rows(markdown_csv.markdown_table(model)) for c in row if "**" in c] == [
        "**5★**", "**256**", "**1e-4**", "**100**", "**4096**", "**65.2**",
    ]  # fmt: skip


def test_without_a_selection_nothing_is_bold():
    """No row is bold where no rule was applied."""
    model, _ = drawn(study_file.read("paper"), selected=None)
    assert not any(cell.bold for row in model.rows for cell in row)
    assert "textbf" not in draw_latex(model)
    assert "★" not in markdown_csv.markdown_table(model)


def test_failed_rows_stay_and_say_why():
    """A row without results keeps its place, its levels and its published numbers, in every format."""
    model, rows = drawn(study_file.read("paper"), {(3, 0): "diverged", (4, 0): "killed", (9, 0): dataframes.NOT_RUN})
    latex, markdown, lines = draw_latex(model), markdown_csv.markdown_table(model), csv_rows(rows)
    assert tex_rows(latex)[2] == [
        "3",
        "128",
        "$10^{-4}$",
        "10",
        "4096",
        *["diverged"] * 4,
    ]
    assert r"\multicolumn{4}{c}{killed}" in latex
    assert markdown_rows(markdown)[8][:9] == ["9", "256", "1e-4", "100", "8192", *[dataframes.NOT_RUN] * 4]
    assert [line["outcome"] for line in lines] == ["done", "done", "diverged", "killed", *["done"] * 4, "not run"]
    assert (lines[2]["val_accuracy"], lines[2]["n_seeds"]) == ("", "0")
    for text in (latex, markdown):
        assert "Incomplete: row 3 (diverged), row 4 (killed), row 9 (not run)." in text.replace("\\", "")


def test_means_and_deviations_are_over_seeds():
    """A cell of several seeds is mean ± standard deviation of the finished ones, and the note counts them."""
    model, rows = drawn(
        study_file.read("paper", seeds=[0, 1, 2]), {(4, 1): "diverged", **{(6, s): "killed" for s in range(3)}}
    )
    three, two = [accuracy(1, s) for s in range(3)], [accuracy(4, s) for s in (0, 2)]
    assert rows.val_accuracy[0] == pytest.approx(statistics.mean(three))
    assert rows.val_accuracy_sd[0] == pytest.approx(statistics.stdev(three))
    assert rows.val_accuracy[3] == pytest.approx(statistics.mean(two))
    assert list(rows.n_seeds) == [3, 3, 3, 2, 3, 0, 3, 3, 3]
    mean, sd = f"{100 * statistics.mean(three):.1f}", f"{100 * statistics.stdev(three):.1f}"
    assert tex_rows(draw_latex(model))[0][6] == rf"{mean}$_{{\pm{sd}}}$"
    assert markdown_rows(markdown_csv.markdown_table(model))[0][6] == f"{mean} ± {sd}"
    assert (
        "Incomplete: row 4 (diverged; numbers from 2 of 3 seeds; 33 % [1, 91] of its trainings failed), row 6 (killed)."
        in model.notes
    )
    assert model.caption.endswith("Mean ± standard deviation over seeds 0, 1 and 2.")


@pytest.mark.parametrize(
    ("printed", "percent"),
    [("0.941", "94.1"), ("0.94", "94"), ("0.9500", "95.00"), ("0.9", "90"), ("1", "100"), ("1.0", "100"), ("0", "0"),
     ("0.0", "0"), ("0.005", "0.5"), ("0.12345", "12.345")],
)  # fmt: skip
def test_published_numbers_are_as_printed(printed, percent):
    """Published numbers are in percent, with the digits of the source: none added, none taken, always a leading
    digit."""
    assert table.as_percent(Decimal(printed)) == percent
    shown = one_cell("published", Decimal(printed))
    assert tex_rows(draw_latex(shown))[0][1] == percent
    assert markdown_rows(markdown_csv.markdown_table(shown))[0][1] == percent


def test_what_is_constant_is_said_once(paper):
    """Factors that do not vary have no column; a note names their level."""
    model, _ = paper
    assert "dropout" not in [c.key for c in model.columns]
    assert model.notes[-1].startswith("The same in all rows: backbone vgg16, weights imagenet, image size 32, ")
    assert "fc layers 2, dropout 0.25, optimizer adam, " in model.notes[-1]


def test_the_caption_says_what_was_tested(paper):
    """Title, test images, classes, the majority class that a number must beat, and how often each row was trained."""
    model, _ = paper
    assert model.caption == (
        "VGG16 head, 32x32 faces: 5,431 test images of 6 classes, majority class 29.3%. One training per row (seed 0)."
    )
    noted, _ = drawn(study_file.read("paper"), notes=("3 images were left out.",))
    assert noted.caption == f"{model.caption} 3 images were left out."


def test_labels_take_the_place_of_factors():
    """The names of rows are the first column where each row has one; otherwise levels are next to them."""
    named, _ = drawn(study(labels=("one", "two")), selected=None)
    partly_named, _ = drawn(study(labels=("one", "")), selected=None)
    assert [c.key for c in named.columns][:3] == ["row", "label", "train_accuracy"]
    assert [c.key for c in partly_named.columns][:4] == ["row", "label", "dropout", "train_accuracy"]


def test_many_test_images_earn_a_second_decimal():
    """A percentage of 20,000 test images or more has a second decimal."""
    counts = {"given": COUNTS | {"test": (20_000,)}}
    model, _ = drawn(study(), selected=None, counts=counts)
    assert tex_rows(draw_latex(model))[0][3] == f"{100 * accuracy(1):.2f}"


# ---- CSV


def test_csv_holds_raw_numbers():
    """Each float is there to its last bit, as a fraction; constant columns stay; names are snake_case."""
    _, rows = drawn(study(), {(2, 0): "diverged"})
    first, second = csv_rows(rows)
    assert first["val_accuracy"] == repr(accuracy(1))
    assert float(first["test_macro_f1"]) == accuracy(1) - 0.02
    assert second["val_accuracy"] == ""
    assert (first["optimizer"], first["n_test"], first["learning_rate"]) == ("adam", "5431", "0.0001")
    assert all(re.fullmatch("[a-z0-9_]+", name) for name in first)


def test_csv_of_trials_has_a_line_a_trial():
    """A line has seed, outcome and the reason of a failure: a traceback's last line, made safe."""
    record = record_of(study(seeds=(0, 1)))
    results, tests = outcomes(record, {(2, 1): "failed", (1, 1): dataframes.NOT_RUN})
    lines = csv_rows(dataframes.trials(record, results, tests))
    outcomes_of_trials = [(line["row"], line["seed"], line["outcome"], line["reason"]) for line in lines]
    assert outcomes_of_trials == [
        ("1", "0", "done", ""),
        ("2", "0", "done", ""),
        ("1", "1", "not run", ""),
        ("2", "1", "failed", "x"),
    ]
    assert lines[0]["started"] == "2017-07-14T02:40:00+00:00"


def test_csv_leaves_numbers_alone():
    """A negative number is no formula; a text that looks like one gets an apostrophe."""
    frame = pd.DataFrame({"n": [-1.5, 2.0], "k": [-1, 2], "mixed": [-3, "-3"], "t": ["-1.5", "=1"], "b": [True, False]})
    assert markdown_csv.csv(frame) == "n,k,mixed,t,b\n-1.5,-1,-3,'-1.5,True\n2.0,2,'-3,'=1,False\n"


# ---- LaTeX and Markdown


@pytest.mark.parametrize(
    ("level", "tex"),
    [
        (1e-4, "$10^{-4}$"),
        (2.5e-4, r"$2.5\times10^{-4}$"),
        (1e-3, "$10^{-3}$"),
        (0.01, "0.01"),
        (1.0, "1"),
        (10.0, "10"),
    ],
)
def test_learning_rates_are_powers_of_ten(level, tex):
    """Learning rates are powers of ten in LaTeX's mathematics; in bold too."""
    assert tex_rows(draw_latex(one_cell("factor", level, "learning_rate")))[0][1] == tex
    bold = tex_rows(draw_latex(one_cell("factor", level, "learning_rate", bold=True)))[0][1]
    assert bold == (rf"\textbf{{\boldmath {tex}}}" if "$" in tex else rf"\textbf{{{tex}}}")


def test_every_latex_row_has_every_cell(paper):
    """Headings, rows and rows that failed have equally many columns; rules and braces are whole."""
    model, _ = drawn(study_file.read("paper"), {(3, 0): "diverged"})
    text = draw_latex(model)
    heading, titles = re.search(
        r"\\toprule\n(.*?) \\\\\n(?:\\cmidrule[^\n]*\n)*(.*?) \\\\\n\\midrule", text, re.DOTALL
    ).groups()
    assert len(tex_cells(heading.replace("\n", " "))) == len(tex_cells(titles)) == len(model.columns)
    assert {len(row) for row in tex_rows(text)} == {len(model.columns)}
    assert re.search(r"begin\{tabular\}\{@\{\}([lr]+)@\{\}\}", text)[1] == "l" + "r" * (len(model.columns) - 1)
    assert re.findall(r"\\cmidrule\((\w+)\)\{(.*?)\}", text) == [
        ("lr", "2-5"), ("lr", "6-7"), ("l", "8-9"),
    ]  # fmt: skip
    assert balanced(text)
    assert "\\hline" not in text
    assert text.index("\\caption") < text.index("\\begin{tabular}") < text.index("\\begin{minipage}")


def test_words_stand_left_and_numbers_right():
    """A factor whose levels are names is no column of numbers."""
    model, _ = drawn(study(factors.condition(), factors.condition(optimizer="sgd")), selected=None)
    assert "{@{}llrrrr@{}}" in draw_latex(model)
    assert re.search(r"(?m)^\| :-+ \| :-+ \| -+: ", markdown_csv.markdown_table(model))


def test_the_papers_table_compiles(pdflatex, tmp_path, paper):
    """Nine rows with published columns fit an article's column: no error, nothing that sticks out."""
    seeds, _ = drawn(study_file.read("paper", seeds=[0, 1, 2]), {(3, s): "diverged" for s in range(3)})
    failed, _ = drawn(
        study_file.read("paper"), {(3, 0): "out of memory", (4, 0): "diverged", (9, 0): dataframes.NOT_RUN}
    )
    smoke, _ = drawn(study_file.read("smoke"), selected=3)
    log = compiled(pdflatex, tmp_path, *map(draw_latex, (paper[0], seeds, failed, smoke)))
    assert "Overfull" not in log
    assert "Missing character" not in log


def test_markdown_reads_as_a_table_too(paper):
    """Raw lines are padded to one width, under one heading."""
    lines = [line for line in markdown_csv.markdown_table(paper[0]).splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1
    assert len(lines) == 11
    assert lines[0].split(" | ")[0] == "| #     "
    assert "| Val (accuracy, %) | Acc. (test, %) | Macro-F1 (test, %) |" in re.sub(" {2,}", " ", lines[0])


# ---- whatever the names are


def one_line(text: str) -> str:
    """Return a name without invisible characters and line breaks."""
    return " ".join("".join(c if c.isprintable() or c == "\u3000" else " " for c in text).split())


def short(text: str) -> str:
    text = one_line(text)
    return text if len(text) <= 60 else f"{text[:57]}..."


def hostile(name: str) -> tuple[Table, pd.DataFrame]:
    """A study in which everything that a user may name is named so."""
    second = factors.condition(dropout=0.5, weights=name.replace("\0", "") or "w")
    design = study(factors.condition(), second, title=name, stem=name, labels=(name, ""))
    return drawn(design, {(2, 0): "diverged"}, 1, classes=(name,) * 6, data=name, notes=(name,))


@functools.cache
def plain() -> Table:
    return hostile("a")[0]


NAMES = st.text(max_size=40) | st.text(alphabet="\\{}$&#_%~^[]*|<>\"'`-=+@!?\n\r\t\0 ab", max_size=20)


def page(model: Table, name: str) -> str:
    """Return the report's page with one table, and the name in every other place for a user's text."""
    tables = [html.view(model) | {"title": name}]
    texts = {"title": name, "name": name, "claims": [name], "account": [Chapter(name, name, ((name, name),))]}
    stated = origin.stated(name, origin.REPORT, TableKeys())
    return HTML.get_template("report.html").render(
        **texts, tables=tables, warnings=[], figures=[], plotly="", origin=stated
    )


class Page(HTMLParser):
    """The elements of a page, each with the names of its attributes, and the texts of its headings."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, list[str]]] = []
        self.headings: list[str] = []
        self.feed(text)
        self.close()

    @property
    def tags(self) -> list[str]:
        return [tag for tag, _ in self.elements]

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, [key for key, _ in attrs]))
        self.headings += [""] if tag == "th" else []

    def handle_data(self, data):
        if self.elements and self.elements[-1][0] == "th" and data.strip():
            self.headings[-1] += data


def check(name: str) -> None:
    model, rows = hostile(name)
    latex, markdown, lines = draw_latex(model), markdown_csv.markdown_table(model), csv_rows(rows)

    assert SAFE_TEX.fullmatch(escape.tex(name))
    assert balanced(latex)
    assert {len(row) for row in tex_rows(latex)} == {len(model.columns)}
    assert re.search(r"(?m)^\\label\{tab:[a-z0-9-]+\}$", latex)
    assert latex.count("\n") == draw_latex(plain()).count("\n")

    cells = markdown_rows(markdown)
    assert {len(row) for row in cells} == {len(model.columns)}
    if name:
        assert cells[0][1] == (f"**{short(name)}**" if short(name) else "")
    assert len(markdown.splitlines()) == len(markdown_csv.markdown_table(plain()).splitlines())

    if name:  # without one, there is no column of names
        assert Page(page(model, name)).elements == Page(page(plain(), "a")).elements

    named = "".join(one_line(name).split())
    assert "".join(lines[0]["label"].split()) == (f"'{named}" if named.startswith(FORMULA) else named)
    assert not any(line[key].lstrip().startswith(FORMULA) for line in lines for key in ("label", "weights"))


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name[:20]))
def test_no_name_breaks_a_table(name):
    """Titles, labels, weights, notes, study names: no formula, no command, no row or column more or less."""
    check(name)


@pytest.mark.parametrize(
    ("text", "latex"),
    [("lr η, β₁", r"lr $\eta$, $\beta$1"), ("Щука", "Shchuka"), ("中文 x", "{[}U+4E2D U+6587{]} x"),
     ("😀", "{[}U+1F600{]}"), ("x\u0302", "x"), ("∂/∂θ", r"$\partial$/$\partial$$\theta$")],
)  # fmt: skip
def test_a_character_that_latex_lacks_is_transliterated_or_named_by_its_code(text: str, latex: str):
    """Two different labels never print alike as question marks, and a note explains the codes."""
    assert escape.tex(text) == latex
    drawn = draw_latex(hostile(text)[0])
    assert ("codes of characters that pdfLaTeX cannot print" in drawn) == ("U+" in latex)


def test_no_name_breaks_latex(pdflatex, tmp_path):
    """A document with hostile names in every place compiles, and reads no file that they name."""
    names = list(HOSTILE)

    @settings(max_examples=200, deadline=None)
    @given(NAMES)
    def collect(name: str) -> None:
        check(name)
        names.append(name)

    collect()
    log = compiled(pdflatex, tmp_path, *(draw_latex(hostile(name)[0]) for name in names))
    assert "(/etc/passwd" not in log
    assert "Missing character" not in log
    assert "runsystem" not in log


@pytest.mark.parametrize(
    ("text", "tex"),
    [
        ("50 % of a_b & c", r"50 \% of a\_b \& c"),
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("[x]*", "{[}x{]}{*}"),
        ("a--b", "a-{}-b"),
        ("a – b", r"a \textendash{} b"),
        ("α ± µ", r"$\alpha$ $\pm$ $\mu$"),
        ("Müller, Łódź", r"M\"{u}ller, \L{}\'{o}d\'{z}"),
        ("e\u0301", r"\'{e}"),
        ("ﬁ ½ ✓ 한", r"fi 1/2 $\surd$ {[}U+D55C{]}"),
        ("a\0b\nc\u202ed", "a b c d"),
    ],
)
def test_texts_are_printed_as_they_stand(text, tex):
    """Accents and Greek are kept; what pdfLaTeX cannot print becomes its base letter, or a question mark."""
    assert escape.tex(text) == tex


def test_markdown_renders_names_as_text():
    """A Markdown renderer makes a table of text from hostile names: no tag, link, image or emphasis."""
    renderer = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable("table")
    for name in HOSTILE:
        model, _ = hostile(name)
        html = re.sub(r"<!--.*?-->", "", renderer.render(markdown_csv.markdown_table(model)))  # the ids, hidden
        tags = set(re.findall(r"<([a-z!][a-z0-9]*)", html))
        assert tags <= {"p", "strong", "table", "thead", "tbody", "tr", "th", "td", "br"}, name
        assert html.count("<td") == 2 * len(model.columns)
        assert html.count("<p>") == 2


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a & b", '"><img src=x>', "</table>", "α✓"])
def test_a_confusion_page_shows_class_names_as_text(name):
    """The page has no script, and a class is called what it is called."""
    page = Page(markdown_csv.confusion_page(name, [name, "b"], [[3, 1], [0, 0]]))
    assert set(page.tags) == {"html", "meta", "title", "style", "table", "caption", "tr", "td", "th", "small"}
    assert page.headings == [name, "b", name, "b"]
    assert page.tags.count("td") == 5
