"""`ablate new` of a function whose parameter has no default."""

from pathlib import Path

import pytest

from ablation import cli


def test_a_parameter_without_default_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message and the file name the parameter, and both places that need levels; then the study is accepted."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text("def train(a: int, seed=0):\n    return {'val_accuracy': a}\n")
    assert cli.run(["new", "--experiment", "mine.py:train", "mine.toml"]) == 0
    printed = capsys.readouterr().out
    assert "[fixed] a: write a level in place of LEVEL" in printed
    assert "[one_at_a_time]: state at least one factor" in printed
    text = Path("mine.toml").read_text()
    assert "write a level in place of LEVEL" in text
    assert "# state at least one factor here" in text
    Path("mine.toml").write_text(text.replace('"LEVEL"', "1").replace("# a = [...]", "a = [2]"))
    assert cli.run(["try", "mine.toml"]) == 0
