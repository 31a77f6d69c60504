"""`ablate compare`: the difference between rows that a user chooses, from the files of the study."""

import json
from pathlib import Path

import click

from ablation.cli.commands.options import named, one_study_options, opened, workspace_option
from ablation.errors import AblateError
from ablation.fast_imports import loading


@click.command()
@click.argument("rows", nargs=-1, required=True, metavar="ROW ROW...")
@one_study_options
@workspace_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare(rows: tuple[str, ...], grid: str | None, name: str | None, workspace: Path, as_json: bool) -> int:
    """Compare finished rows on test, once the selection is sealed.

    A ROW is the number of a row in the table, or its label. Prints the difference, second row minus first, with its
    interval and test; of more than two rows, all pairs. Nothing is written. The p values are not corrected: state
    [[compare]] in the study file for a family with Holm's correction.

    \b
    ablate compare 3 7
    ablate compare 3 7 9 --grid paper
    ablate compare "all components" "without dropout" --name mine
    """
    with loading():
        from ablation.cli.terminal import summary
        from ablation.report import compare as comparing

    studies = named(grid, name, workspace)
    if len(studies) > 1:
        raise AblateError(f"--workspace {workspace}: has several studies; choose a --name of: {', '.join(studies)}")
    study = comparing.compare(opened(workspace), studies[0], rows)
    if as_json:
        click.echo(json.dumps(comparing.as_json(study), indent=1, ensure_ascii=False))
    else:
        summary.print_table(comparing.table(study), "all with | cat")
    return 0
