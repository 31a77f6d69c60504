"""`ablate worker`: serve a Dask cluster from this machine."""

import click

from ablation.cli.commands.options import insecure_option, tls_options, utf_8


@click.command()
@click.option(
    "--scheduler", required=True, metavar="ADDR", callback=utf_8, help="Address of the Dask scheduler: tls://HOST:8786."
)
@click.option(
    "--slots", default="auto", show_default=True, help="Slots of this machine: auto, cpu:N, gpu:0,1 or gpu:0x3."
)
@tls_options
@insecure_option
def worker(
    scheduler: str, slots: str, tls_ca: str | None, tls_cert: str | None, tls_key: str | None, insecure: bool
) -> int:  # fmt: skip
    """Run workers for a Dask scheduler, one process per slot.

    The workers stop when the scheduler ends, or on Ctrl-C. The workspace must be on a file system that all machines
    share, under the same path. Whoever reaches a scheduler can run code:
    between machines, TLS is needed, or --insecure.

    \b
    dask scheduler --tls-ca-file ca.pem --tls-cert me.pem --tls-key me.key        on one machine
    ablate worker --scheduler tls://head:8786 --tls-ca ca.pem --tls-cert me.pem --tls-key me.key     on each machine
    ablate run --grid paper --scheduler tls://head:8786 --tls-ca ca.pem ... --workspace /shared/runs
    """
    from ablation import experiments
    from ablation.engine import scheduler_address

    scheduler_address.refuse_plain(scheduler, insecure)
    from ablation.engine import dask_cluster, job  # slow
    from ablation.engine.pool import Tls
    from ablation.engine.slots import parse

    machine_slots = parse(slots)
    click.echo(f"serving {scheduler} with {', '.join(slot.name for slot in machine_slots)}", err=True)
    dask_cluster.serve(scheduler, machine_slots, Tls(tls_ca, tls_cert, tls_key), job.setup(experiments.DEFAULT))
    return 0
