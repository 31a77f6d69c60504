"""What libraries leave behind is never searched for garbage."""

import gc

import pytest

from ablation.fast_imports import loading

pytestmark = pytest.mark.unit


def test_what_is_loaded_is_never_searched():
    """Within, nothing is searched; after it, what was made there is out of every later search, which goes on."""
    before = gc.get_freeze_count()
    with loading():
        assert not gc.isenabled()
        made = [[i] for i in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= before + len(made)
    assert not any(found is made for found in gc.get_objects())
