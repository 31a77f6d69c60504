"""`ablate explain`: the page of a warning."""

from typing import Any

import click

from ablation.cli.commands import suggestions
from ablation.errors import AblateError
from ablation.fast_imports import loading
from ablation.nearest import nearest


@click.command()
@click.argument("code", required=False, shell_complete=suggestions.warning_codes)
def explain(code: str | None) -> int:
    """Explain a warning: what it checks, why it matters, and what to do.

    Without CODE, all warnings are listed by grade, the most severe first.

    \b
    ablate explain
    ablate explain WITHIN_NOISE
    """
    from ablation import experiments

    with loading():
        from ablation.report import warnings

    installed = [experiments.load(name) for name in experiments.names()]
    if code is None:
        click.echo("\n".join(_listed(warnings, installed)))
        return 0
    pages = (warnings.page(code.upper(), experiment) for experiment in installed)
    page = next(filter(None, pages), None)
    if page is None:
        codes = dict.fromkeys(code for experiment in installed for code in warnings.rules(experiment))
        raise AblateError(f"{code}: no such warning; known: {', '.join(codes)}{nearest(code, codes)}")
    click.echo(page.rstrip())
    return 0


def _listed(warnings: Any, installed: list[Any]) -> list[str]:
    """Return a line for each warning below its grade: the code, and the first sentence of its page."""
    lines = []
    for grade in warnings.GRADES:
        by_code = {code: e for e in installed for code, rule in warnings.rules(e).items() if rule.grade == grade}
        lines.append(f"{grade}:")
        lines += [f"  {code:28}  {_first_sentence(warnings.page(code, e) or '')}" for code, e in by_code.items()]
    return lines


def _first_sentence(page: str) -> str:
    lines = page.splitlines()
    return lines[1] if len(lines) > 1 else ""
