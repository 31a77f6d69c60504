"""`ablate import`: results that exist already become a study with the same table."""

import json
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ablation.cli.commands import suggestions
from ablation.cli.commands.choice import Choice
from ablation.cli.commands.options import workspace_option
from ablation.cli.commands.output import say_files, say_table
from ablation.errors import AblateError
from ablation.fast_imports import loading
from ablation.model.phrases import plural


def _split(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> Any:
    """Return the names of a repeatable option: a list, or a mapping where any of them is NAME=FIELD."""
    names = [name.strip() for value in values for name in value.split(",") if name.strip()]
    if not any("=" in name for name in names):
        return names
    pairs = [name.partition("=") if "=" in name else (name, "=", name) for name in names]
    stated = [name.strip() for name, _, _ in pairs]
    if twice := next((name for n, name in enumerate(stated) if name in stated[:n]), None):
        raise AblateError(f"{parameter.opts[-1]}: {twice} is stated twice; state each name once")
    return {name.strip(): field.strip() for name, _, field in pairs}


def _listed(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> list[str] | None:
    """Return the names of a repeatable option; none alone is the empty list, and None where the option is absent."""
    names = [name.strip() for value in values for name in value.split(",") if name.strip()]
    return [name for name in names if name != "none"] if names else None


def _conditions(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    from ablation.study import study_file

    return study_file.settings(values)


NOTES, REASONS = 4, 2  # that are printed
FIELDS = "Repeatable, or separated by commas; NAME=FIELD gives a field another name."


@click.command(name="import")
@click.argument("source", metavar="SOURCE|STUDY.toml", shell_complete=suggestions.paths)
@click.option("--factors", multiple=True, callback=_split, help=f"Fields that are the factors. {FIELDS}")
@click.option("--seed", default="", help="Field of the seed, which pairs the rows.")
@click.option("--fold", default="", help="Field of the fold of a cross-validation, in place of a seed.")
@click.option("--metric", "metrics", multiple=True, callback=_split,
              help=f"Fields that are results; val_, test_ or train_ in the name is the split. {FIELDS}")  # fmt: skip
@click.option("--cost", "costs", multiple=True, callback=_split, help=f"Fields that are costs. {FIELDS}")
@click.option("--percent", multiple=True, callback=_listed, metavar="NUMBER",
              help="Metrics that are percentages, from 0 to 100, or none. Default: by their values.")  # fmt: skip
@click.option("--where", multiple=True, callback=_conditions, metavar="FIELD=VALUE", help="Import such runs alone.")
@click.option("--ignore", multiple=True, callback=_split, help="Fields that may vary between rows without a warning.")
@click.option("--step", default="", help="Column that counts the steps of a run, where each line is a step.")
@click.option("--long", is_flag=True, help="Each line is one metric of a run: columns metric and value.")
@click.option("--take", type=Choice(["last", "best"]), help="Value of a metric with a course. Default: last.")
@click.option("--duplicates", type=Choice(["error", "first", "latest"]),
              help="Rule for several runs of one row and seed. Default: error.")  # fmt: skip
@click.option("--pattern", default="", metavar="REGEX",
              help="Named groups, matched on a run's folder, file or name, become fields.")  # fmt: skip
@click.option("--example", default="", help="Column that identifies the example, where each line is an example.")
@click.option("--examples", default="", metavar="PATH|FIELD",
              help="File of examples in the folder of each run, or the field that names it.")  # fmt: skip
@click.option("--group", default="", help="Column of the group of an example, such as a person or topic.")
@click.option("--columns", multiple=True, callback=_split, metavar="NAME=FIELD",
              help="Columns of the examples: label, predicted, score, group, repeat.")  # fmt: skip
@click.option("--task", type=Choice(["classes", "numbers", "scores"]),
              help="What label and predicted are, where both are whole numbers.")  # fmt: skip
@click.option("--test-examples", type=click.IntRange(min=1), help="Number of test examples behind a share.")
@click.option("--reference", help="Row that others are compared with: its number, or FACTOR=LEVEL,...")
@click.option("--select-on", default="", help="Number on validation that selects a row, or none.")
@click.option("--best", multiple=True, metavar="MEASURE=high|low", help="Direction of a measure. Repeatable.")
@click.option("--uncertainty", type=Choice(["seeds", "examples", "both"]), help="What intervals cover.")
@click.option("--name", help="Name of the study. Default: the name of the file.")
@workspace_option
@click.option(
    "--guess", is_flag=True, help="Propose a study file from the fields of the source, print it, and import nothing."
)
@click.option("--write", type=click.Path(dir_okay=False, path_type=Path), help="Write the study file here.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON on standard output.")
@click.option("-q", "--quiet", is_flag=True, help="Print no table.")
def import_results(source: str, as_json: bool, quiet: bool, guess: bool, write: Path | None, **stated: Any) -> int:
    """Import results that exist already, and write their table.

    SOURCE is a .csv, .tsv, .xlsx, .json or .jsonl file (also .gz), a folder of them, or an address: csv:PATTERN,
    json:PATTERN, mlflow:URI/EXPERIMENT, optuna:URL/STUDY, wandb:FILE.csv, or folders:PRESET:FOLDER with hydra,
    lightning, huggingface, ultralytics, ray or sacred. STUDY.toml is a study file with [import]. The source is read
    once, and not changed; a second import replaces the first.

    \b
    ablate import results.csv --factors norm,lr --seed seed --metric val_acc,test_acc --name cifar
    ablate import results.csv --guess --write cifar.toml    propose a study file; check it, then:
    ablate import cifar.toml
    ablate import runs.csv --factors arm --seed run --step epoch --metric val_acc
    ablate import mlflow:http://localhost:5000/cifar --factors lr --seed seed --metric test_acc
    ablate import folders:hydra:multirun --factors model.norm --metric test_acc
    """
    with loading():
        from ablation.cli.terminal import stages
        from ablation.workflows import guess_file, import_options, import_results

    imported = import_options.of_options(source, stated)
    if guess:
        text = guess_file.guessed(imported)
        click.echo(text, nl=False)
        if write:
            guess_file.write_new(write, text)
        return 0
    if write:
        raise AblateError("--write: needs --guess; a study file is proposed, checked by you, and then imported")
    with stages.Stages(quiet or as_json) as say:
        outcome, notes = import_results.run(imported, say)
    if as_json:
        summary = {"unfinished": outcome.unfinished, "warnings": outcome.codes, "notes": notes}
        click.echo(json.dumps({"folder": str(outcome.folder), **summary}, ensure_ascii=False))
        return 0
    if not quiet:
        say_table(outcome)
    _say_notes([note for note in notes if note not in outcome.table.caption], outcome)
    _say_unfinished(outcome.unfinished)
    say_files(outcome)
    place = "" if imported.workspace == Path("runs") else f" --workspace {shlex.quote(str(imported.workspace))}"
    name, file = shlex.quote(imported.name), shlex.quote(f"{outcome.folder}/table.tex")
    click.echo(f"next: ablate report {name} --open{place}; ablate verify {file}{place}")
    return 0


def _say_notes(notes: list[str], outcome: Any) -> None:
    """Print the first notes on what was read."""
    for note in notes[:NOTES]:
        click.echo(f"note: {note}")
    if more := notes[NOTES:]:
        click.echo(f"and {plural(len(more), 'more note')}: {outcome.folder}/imported/source.json")


def _say_unfinished(unfinished: Sequence[tuple[int, int, str, str]]) -> None:
    """Print how many runs have no result, by outcome, and the first reasons."""
    if not unfinished:
        return
    outcomes = Counter(status for _, _, status, _ in unfinished)
    counts = ", ".join(f"{n:,} {status}" for status, n in outcomes.items())
    reasons = dict.fromkeys(reason for _, _, status, reason in unfinished if reason and reason != status)
    shown = f" ({'; '.join(list(reasons)[:REASONS])}{'; ...' if len(reasons) > REASONS else ''})" if reasons else ""
    click.echo(f"runs without a result: {counts}{shown}", err=True)
