"""`new`, `status`, `clean`, `worker` and `doctor`: files and machines."""

import json
import time
from pathlib import Path

import click

from ablation.commands.options import existing_name, opened, some_study_options, tls_options, workspace_option
from ablation.errors import AblateError


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
def new(file: Path) -> int:
    """Write a commented study file to start from.

    \b
    ablate new mine.toml
    """
    from ablation import workspace
    from ablation.grids import study_file

    if file.suffix != ".toml":
        raise AblateError(f"{file}: a study file ends in .toml")
    if file.exists():
        raise AblateError(f"{file}: is there already; remove it, or take another name")
    workspace.write_text(file, study_file.starter())
    click.echo(f"wrote {file}; run it: ablate run --grid {file} --data demo")
    return 0


@click.command()
@some_study_options
@workspace_option
@click.option("--json", "as_json", is_flag=True, help="As JSON; with --watch, a line each time.")
@click.option("--watch", "again", is_flag=True, help="Say it again every 2 s until the run ends.")
def status(grid: str | None, name: str | None, workspace: Path, as_json: bool, again: bool) -> int:
    """Say how far a study is, whether a run goes on, and what to do next: from its files alone.

    \b
    ablate status
    ablate status --grid paper
    ablate status --grid paper --watch
    """
    from ablation.watching import standing

    place = opened(workspace)
    name = name or (existing_name(grid, workspace) if grid else None)

    def look() -> tuple[str, bool]:
        now = time.time()
        found = [standing.read(place, name)] if name else standing.read_all(place)
        goes_on = any(one.running for one in found)
        if as_json:
            told = [standing.as_json(one, place, grid, now) for one in found]
            return json.dumps(told[0] if name else told, indent=None if again else 1), goes_on
        return standing.draw(found[0], place, grid, now) if name else standing.draw_all(found, place, now), goes_on

    if again:
        from ablation.console import progress  # slow to load

        progress.repeat(look)
    else:
        click.echo(look()[0])
    return 0


@click.command()
@click.argument("kinds", nargs=-1, metavar="[KIND]...")
@workspace_option
@click.option("--yes", is_flag=True, help="Delete it.")
def clean(kinds: tuple[str, ...], workspace: Path, yes: bool) -> int:
    """Say what could be deleted: checkpoints, heads, features, trainings that no study uses. With --yes, delete it.

    Tables, results and predictions of your studies stay.

    \b
    ablate clean
    ablate clean features checkpoints --yes
    """
    from ablation.results import clean as cleaning

    unknown = [kind for kind in kinds if kind not in cleaning.KINDS]
    if unknown:
        raise AblateError(f"{unknown[0]}: takes {', '.join(cleaning.KINDS)}")
    if not workspace.is_dir():
        raise AblateError(f"--workspace {workspace}: there is no such folder")
    place = opened(workspace)
    with place.lock():
        found = cleaning.find(place, kinds or cleaning.KINDS)
        click.echo(cleaning.draw(found, place))
        if yes:
            for item in found:
                item.delete()
    size = cleaning.megabytes(sum(item.size for item in found))
    if found:
        click.echo(f"deleted {size}" if yes else f"{size} in all; to delete it: --yes")
    return 0


@click.command()
@click.option("--scheduler", required=True, metavar="ADDR", help="The Dask scheduler to work for: tcp://HOST:8786.")
@click.option("--slots", default="auto", show_default=True, help="auto, cpu:N, gpu:0,1 or gpu:0x3, of this machine.")
@tls_options
def worker(scheduler: str, slots: str, tls_ca: str | None, tls_cert: str | None, tls_key: str | None) -> int:
    """Serve a cluster from this machine: a process a slot, until the scheduler ends or Ctrl-C.

    The workspace must lie on a file system that all machines share, under the same path.

    \b
    dask scheduler                                                    on one machine
    ablate worker --scheduler tcp://head:8786                         on each machine with cores or GPUs
    ablate run --grid paper --scheduler tcp://head:8786 --workspace /shared/runs
    """
    from ablation import experiments
    from ablation.engine import job
    from ablation.workers import cluster
    from ablation.workers.pool import Tls
    from ablation.workers.slots import parse

    found = parse(slots)
    click.echo(f"serving {scheduler} with {', '.join(slot.name for slot in found)}", err=True)
    cluster.serve(scheduler, found, Tls(tls_ca, tls_cert, tls_key), job.setup(experiments.DEFAULT))
    return 0


@click.command()
@workspace_option
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def doctor(workspace: Path, as_json: bool) -> int:
    """Say what this machine has and lacks: packages, backend, GPUs, weights, workspace.

    \b
    ablate doctor
    """
    from ablation.console import doctor as checks

    found = checks.examine(workspace)
    click.echo(json.dumps([vars(c) for c in found], indent=1) if as_json else checks.draw(found))
    return 2 if any(c.state == "bad" for c in found) else 0
