"""The documentation is built, and nothing in it is broken."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT


def test_the_documentation_is_built_without_a_warning(tmp_path: Path):
    """Links and keys included: a key of a study file without an explanation is a warning."""
    pytest.importorskip("sphinx", reason="the extra docs is not installed")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", str(tmp_path / "trees"), "docs"]
    built = subprocess.run([*command, str(tmp_path / "html")], cwd=ROOT, text=True, capture_output=True, check=False)
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "html" / "reference" / "warnings" / "WITHIN_NOISE.html").is_file()
    assert (tmp_path / "html" / "reference" / "commands" / "run.html").is_file()
    statistics = (tmp_path / "html" / "concepts" / "statistics.html").read_text()
    assert "<math" in statistics
    assert 'src="http' not in statistics  # formulas are shown without network
