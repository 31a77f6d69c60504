"""`ablate new`: write a study file to start from."""

from pathlib import Path

import click

from ablation.errors import AblateError


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
def new(file: Path) -> int:
    """Write a commented study file to start from.

    \b
    ablate new mine.toml
    """
    from ablation.store import files
    from ablation.study import study_file

    if file.suffix != ".toml":
        raise AblateError(f"{file}: a study file ends in .toml")
    if file.exists():
        raise AblateError(f"{file}: already exists; delete it, or choose another name")
    files.write_text(file, study_file.starter())
    click.echo(f"wrote {file}; run it: ablate run --grid {file} --data demo")
    return 0
