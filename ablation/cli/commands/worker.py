"""`ablate worker`: serve a Dask cluster from this machine."""

import click

from ablation.cli.commands.options import tls_options


@click.command()
@click.option("--scheduler", required=True, metavar="ADDR", help="Address of the Dask scheduler: tcp://HOST:8786.")
@click.option(
    "--slots", default="auto", show_default=True, help="Slots of this machine: auto, cpu:N, gpu:0,1 or gpu:0x3."
)
@tls_options
def worker(scheduler: str, slots: str, tls_ca: str | None, tls_cert: str | None, tls_key: str | None) -> int:
    """Run workers for a Dask scheduler, one process per slot.

    The workers stop when the scheduler ends, or on Ctrl-C. The workspace must be on a file system that all machines
    share, under the same path.

    \b
    dask scheduler                                                    on one machine
    ablate worker --scheduler tcp://head:8786                         on each machine with cores or GPUs
    ablate run --grid paper --scheduler tcp://head:8786 --workspace /shared/runs
    """
    from ablation import experiments
    from ablation.engine import dask_cluster, job
    from ablation.engine.pool import Tls
    from ablation.engine.slots import parse

    machine_slots = parse(slots)
    click.echo(f"serving {scheduler} with {', '.join(slot.name for slot in machine_slots)}", err=True)
    dask_cluster.serve(scheduler, machine_slots, Tls(tls_ca, tls_cert, tls_key), job.setup(experiments.DEFAULT))
    return 0
