"""`ablate doctor`: check this machine's packages, devices and weights."""

import json
from pathlib import Path

import click

from ablation.cli.commands.options import workspace_option


@click.command()
@workspace_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(workspace: Path, as_json: bool) -> int:
    """Check this machine: packages, backend, GPUs, weights, workspace.

    \b
    ablate doctor
    """
    from ablation.cli.terminal import doctor as checks

    results = checks.examine(workspace)
    click.echo(json.dumps([vars(c) for c in results], indent=1) if as_json else checks.draw(results))
    return 2 if any(c.state == "bad" for c in results) else 0
