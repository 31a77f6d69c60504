"""`ablate slurm`: write the batch scripts that run a study under Slurm, and submit them."""

import dataclasses
import shlex
from pathlib import Path
from typing import Any

import click

from ablation.cli.commands.options import asked_for, check_codes, folder, slurm_options, strict_option
from ablation.errors import AblateError


@click.command()
@slurm_options
@strict_option
@click.option(
    "--workers", type=click.IntRange(1, 1000), default=1, show_default=True, help="Number of jobs that train."
)
@click.option("--gpus", type=click.IntRange(0, 64), default=1, show_default=True, help="GPUs of each; 0: CPU alone.")
@click.option("--cpus", type=click.IntRange(1, 1024), default=8, show_default=True, help="CPU cores of each.")
@click.option(
    "--time", default="12:00:00", show_default=True, help="Time limit of each job: 12:00:00, 2-12:00, or minutes."
)
@click.option("--partition", metavar="NAME", help="Partition of all jobs.")
@click.option("--account", metavar="NAME", help="Account of all jobs.")
@click.option(
    "--sbatch", multiple=True, metavar="OPTION", help="Option of the jobs that train: --constraint=a100. Repeatable."
)
@click.option(
    "--run-sbatch", multiple=True, metavar="OPTION",
    help="Option of the job that runs the study: --partition=cpu. Repeatable.",
)  # fmt: skip
@click.option(
    "--setup",
    multiple=True,
    metavar="LINE",
    help="Line of shell that each job runs first: 'module load cuda'. Repeatable.",
)
@click.option(
    "--restarts", type=click.IntRange(0, 1000), default=10, show_default=True,
    help="How often the job is queued again at its time limit.",
)  # fmt: skip
@click.option(
    "--output", type=click.Path(file_okay=False, path_type=Path), callback=folder, metavar="FOLDER",
    default=Path("slurm"), show_default=True, help="Folder of the scripts and of their logs.",
)  # fmt: skip
@click.option("--submit", is_flag=True, help="Submit the job.")
def slurm(
    workers: int, gpus: int, cpus: int, time: str, partition: str | None, account: str | None,
    sbatch: tuple[str, ...], run_sbatch: tuple[str, ...], setup: tuple[str, ...], restarts: int, output: Path,
    submit: bool, strict: tuple[str, ...], **asked: Any,
) -> int:  # fmt: skip
    """Write the batch scripts that run a study under Slurm.

    One job runs the study and starts a Dask scheduler. It submits an array of jobs that train. Two minutes before its
    time limit, trainings save, and the job is queued again. All options of `ablate run` are passed on; --slots are
    those of each worker. Workspace, data and the scripts' folder must be on a file system that all nodes share.

    Connections between the jobs are encrypted, with a certificate that the job makes for itself by openssl. --tls-ca,
    --tls-cert and --tls-key name your own; --insecure leaves encryption out.

    \b
    ablate slurm paper --data faces/ --workspace /shared/runs --workers 4 --gpus 1 --cpus 8 --time 12:00:00
    ablate slurm mine.toml --partition gpu --sbatch=--constraint=a100 --run-sbatch=--partition=cpu --submit
    ablate slurm mine.toml --gpus 0 --cpus 16 --setup 'module load openssl'
    """
    for option in ("scheduler", "inline"):
        if asked[option]:
            raise AblateError(f"--{option}: the job starts a scheduler of its own; leave it out")
    options = asked_for(**asked)
    check_codes(strict, options.experiment)
    from ablation.workflows import checked_options, slurm_scripts

    context = click.get_current_context()
    jobs = slurm_scripts.SlurmJobs(
        options.name, _run_arguments(context), context.find_root().obj or (), Path.cwd() / output, Path.cwd(), workers,
        gpus, cpus, time, partition, account, sbatch, run_sbatch, setup, restarts, asked["slots"], options.tls,
        asked["insecure"],
    )  # fmt: skip
    slurm_scripts.check(jobs)
    on_cluster = dataclasses.replace(options, scheduler="tls://job")
    checked_options.refuse_wrong(on_cluster, lambda text: click.echo(text, err=True))
    if options.is_data_missing:
        click.echo(f"note: --data {options.data}: no such file or folder on this machine; the job needs it", err=True)
    if submit:
        slurm_scripts.need_sbatch()
    slurm_scripts.write(jobs)
    _say(slurm_scripts, jobs, output, submit)
    return 0


NOT_PASSED = ("slots", "insecure", "tls_ca", "tls_cert", "tls_key", "study", "grid")  # of `ablate run`, on in a script


def _run_arguments(context: click.Context) -> list[str]:
    """Return the stated options of `ablate run` as words, the study first."""
    from ablation.cli.commands.run import run

    of_run = {option.name for option in run.params} - set(NOT_PASSED)
    study = context.params["study"] or context.params["grid"]
    words = [f"--grid={study}" if study.startswith("-") else study]
    for option in context.command.params:
        value = context.params.get(option.name or "")
        if option.name in of_run and value not in (None, False, (), option.default):
            for one in value if isinstance(value, tuple) else (value,):
                words += _words(option.opts[-1], one)
    return words


def _words(flag: str, value: Any) -> list[str]:
    if value is True:
        return [flag]
    return [f"{flag}={value}"] if str(value).startswith("-") else [flag, str(value)]


def _say(slurm_scripts: Any, jobs: Any, output: Path, submit: bool) -> None:
    script = output / jobs.run_script.name
    click.echo(f"wrote {script} and {jobs.workers_script.name}")
    if submit:
        number = slurm_scripts.submit(jobs.run_script)
        click.echo(f"submitted job {number}; its log: {output / f'{jobs.name}-{number}.log'}")
        return
    click.echo(f"submit it: sbatch {shlex.quote(str(script))}")
