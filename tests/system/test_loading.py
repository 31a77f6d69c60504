"""What libraries leave behind is never searched for garbage."""

import gc
import sys

import pytest

from ablation.fast_imports import loading
from ablation.late_imports import late_import

pytestmark = pytest.mark.unit


def test_what_is_loaded_is_never_searched():
    """The garbage collector is off while libraries load, and later leaves out their objects."""
    before = gc.get_freeze_count()
    with loading():
        assert not gc.isenabled()
        made = [[i] for i in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= before + len(made)
    assert not any(held is made for held in gc.get_objects())


def test_a_late_import_waits_for_its_first_use(monkeypatch: pytest.MonkeyPatch):
    """The module is not loaded until an attribute is read, which is then the module's own."""
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    colours = late_import("colorsys")
    assert "colorsys" not in sys.modules
    convert = colours.rgb_to_hsv
    assert convert is sys.modules["colorsys"].rgb_to_hsv
    assert colours.rgb_to_hsv is convert


def test_a_late_import_that_fails_names_the_module():
    """A late import that fails names the module, as an import at the top would."""
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        _ = late_import("no_such_module").anything
