"""Names of factors that a study file declares for a command."""

from pathlib import Path

import pytest

from ablation.errors import AblateError
from ablation.study import study_file

pytestmark = pytest.mark.unit

STUDY = """
[experiment]
command = "./a {{{name}}}"
[experiment.factors]
{name} = {{ default = 1 }}
[experiment.results]
file = "{{folder}}/m.json"
[one_at_a_time]
{name} = [2]
"""


@pytest.mark.parametrize("name", ["memory", "label", "delta_x", "_x", "json", "copy", "model_dump", "model_config"])
def test_names_that_are_taken_are_refused(tmp_path: Path, name: str):
    """A factor with the name of a column of the table would lose it; pydantic has names of its own."""
    (tmp_path / "a.toml").write_text(STUDY.format(name=name))
    with pytest.raises(AblateError, match=f"experiment.factors: '{name}' is not allowed as the name of a factor"):
        study_file.read(str(tmp_path / "a.toml"))


@pytest.mark.parametrize("name", ["model_width", "class", "lambda", "x1"])
def test_other_names_are_allowed(tmp_path: Path, name: str):
    """Words of Python too: nothing is called by them."""
    (tmp_path / "a.toml").write_text(STUDY.format(name=name))
    assert [dict(row) for row in study_file.read(str(tmp_path / "a.toml")).rows] == [{name: 1}, {name: 2}]
