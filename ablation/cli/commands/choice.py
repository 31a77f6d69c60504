"""Options that take one of a few words; the message for another word ends with the nearest one."""

from typing import Any

import click

from ablation.nearest import nearest


class Choice(click.Choice[str]):
    """Words that an option takes."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Return the message of click, with the nearest word."""
        return f"{super().get_invalid_choice_message(value, ctx).rstrip('.')}{nearest(value, self.choices)}"
