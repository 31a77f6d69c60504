"""The page of Slurm names each option that `ablate slurm` has beyond those of `ablate run`."""

import pytest
from doc_blocks import DOCS

from ablation import cli

pytestmark = pytest.mark.unit


def test_each_option_of_the_jobs_is_explained():
    """A new option of the command needs a line of the page."""
    text = (DOCS / "how-to" / "slurm.md").read_text()
    of_run = {option.name for option in cli.cli.commands["run"].params}
    own = [option.opts[-1] for option in cli.cli.commands["slurm"].params if option.name not in of_run]
    assert own
    assert [option for option in own if f"`{option}" not in text] == []
