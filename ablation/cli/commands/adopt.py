"""`ablate adopt`: state the level that earlier trainings had of a factor that is new."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ablation.cli.commands import suggestions
from ablation.cli.commands.options import opened, workspace_option


@click.command()
@click.argument("study", shell_complete=suggestions.studies)
@workspace_option
@click.option(
    "--factor",
    "stated",
    multiple=True,
    required=True,
    metavar="FACTOR=LEVEL",
    help="Level that all trainings had that were trained before the factor was added. Repeatable.",
)
def adopt(study: str, workspace: Path, stated: tuple[str, ...]) -> int:
    """State the level that earlier trainings had of a new factor.

    STUDY is a study file with the new factor. Trainings from before have no level of it, and `ablate run` does not take
    the default for granted. With the level that they had, they are used for rows of this level, and none is trained
    again. Their folders are renamed to their new ids; the old ids are noted in trained/aliases.json, so that printed
    tables can still be verified. Trainings of all studies of the experiment are adopted.

    \b
    ablate adopt mine.toml --factor mixup=false
    ablate adopt mine.toml --factor mixup=false --factor warmup=0
    """
    from ablation.study import study_file
    from ablation.workflows import adopt as workflow

    grid = study_file.read(study)
    levels = study_file.levels(study, study_file.settings(stated, workflow.OPTION), workflow.OPTION)
    for line in _lines(study, levels, workflow.adopt(opened(workspace), grid, levels)):
        click.echo(line)
    return 0


def _lines(study: str, levels: dict[str, Any], adopted: Sequence[Any]) -> list[str]:
    from ablation.model.phrases import plural, which
    from ablation.study.levels import text

    stated = ", ".join(f"{name} = {text(level)}" for name, level in levels.items())
    if not adopted:
        return [f"nothing to do: no training was trained before the experiment had {', '.join(levels)}"]
    rows = {row for one in adopted for row in one.rows}
    n_others, n_renamed = sum(not one.rows for one in adopted), sum(one.is_renamed for one in adopted)
    lines = [f"{plural(len(adopted), 'training')} had {stated}; {n_renamed} of them renamed (trained/aliases.json)"]
    if rows:
        lines.append(f"{plural(len(adopted) - n_others, 'training')} of {which(rows)} of {study}")
    if n_others:
        lines.append(f"{plural(n_others, 'training')} of no row of {study}: its rows have other levels or seeds")
    return lines
