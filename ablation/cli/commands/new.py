"""`ablate new`: write a study file to start from."""

from pathlib import Path

import click

from ablation.errors import AblateError


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--command", metavar="LINE", help="An example line of your program; its options become factors.")
@click.option(
    "--experiment", metavar="FILE:NAME", help="A function in Python, as train.py:train; its parameters become factors."
)
def new(file: Path | None, command: str | None, experiment: str | None) -> int:
    """Write a commented study file to start from.

    With --command, the file (study.toml without a name) is a study of your own program: each option of the example line
    becomes a factor with that value as its default. An option of a seed becomes {seed}, one of an output {folder}.
    A value without an option can be named: {lr=0.1}.
    With --experiment, it is a study of a function: each of its parameters is a factor with its default.

    \b
    ablate new mine.toml
    ablate new --experiment train.py:train
    ablate new --command "python train.py --lr 0.1 --epochs 30 --amp --seed 0 --out runs/x"
    """
    from ablation.store import files
    from ablation.study import example_line, new_study

    if file is None and command is None and experiment is None:
        raise click.UsageError("Missing argument 'FILE'.")
    if command is not None and experiment is not None:
        raise click.UsageError("--command and --experiment are both given; give one.")
    file = file or Path("study.toml")
    if file.suffix != ".toml":
        raise AblateError(f"{file}: a study file ends in .toml")
    if file.exists():
        raise AblateError(f"{file}: already exists; delete it, or choose another name")
    if experiment is not None:
        from ablation.experiments.function import new_study as of_functions

        text = of_functions.of_function(experiment, file)
        files.write_text(file, text)
        lines = of_functions.to_state(text)
        needed = "\n".join([f"wrote {file}; it needs levels:", *lines, "then:"])
        click.echo(needed if lines else f"wrote {file}; check its levels, then:")
        click.echo(f"  ablate try {file}    # one trial, in the foreground\n  ablate run {file}")
        return 0
    if command is None:
        files.write_text(file, new_study.starter())
        click.echo(f"wrote {file}; run it: ablate run --grid {file} --data demo")
        return 0
    line = example_line.read(command)
    files.write_text(file, new_study.of_command(line, command, file))
    if line.path and not Path(line.path).is_file():
        click.echo(f"note: {line.path}: no such file in {Path.cwd()}; correct the line `command` in {file}", err=True)
    click.echo(f"wrote {file}: factors {', '.join(line.factors)}; check its results and its levels, then:")
    click.echo(f"  ablate try {file}    # one trial, in the foreground\n  ablate run {file}")
    return 0
