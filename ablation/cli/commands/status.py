"""`ablate status`: the progress of studies, from their files alone."""

import json
import time
from pathlib import Path

import click

from ablation.cli.commands.options import existing_name, opened, some_study_options, workspace_option


@click.command()
@some_study_options
@workspace_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON; with --watch, a line for each refresh.")
@click.option("--watch", "again", is_flag=True, help="Refresh every 2 s until the run ends.")
def status(grid: str | None, name: str | None, workspace: Path, as_json: bool, again: bool) -> int:
    """Show the progress of studies, and how to resume them.

    \b
    ablate status
    ablate status paper
    ablate status paper --watch
    """
    from ablation.progress import study_status

    opened_workspace = opened(workspace)
    name = name or (existing_name(grid, workspace) if grid else None)

    def look() -> tuple[str, bool]:
        now = time.time()
        statuses = [study_status.read(opened_workspace, name)] if name else study_status.read_all(opened_workspace)
        goes_on = any(study.running for study in statuses)
        if as_json:
            contents = [study_status.as_json(study, opened_workspace, grid, now) for study in statuses]
            return json.dumps(contents[0] if name else contents, indent=None if again else 1), goes_on
        return study_status.draw(statuses[0], opened_workspace, grid, now) if name else study_status.draw_all(
            statuses, opened_workspace, now
        ), goes_on

    if again:
        from ablation.cli.terminal import progress  # slow to load

        progress.repeat(look)
    else:
        click.echo(look()[0])
    return 0
