"""What tests of malformed input share."""

import pytest

from ablation.errors import AblateError
from ablation.experiments.keras_head.datasets.images import check, load


def refused(data: object) -> str:
    """Return the line with which the data are refused: it names them, and is one."""
    with pytest.raises(AblateError) as caught:
        check(load(str(data)), str(data))
    assert "\n" not in str(caught.value)
    assert str(data) in str(caught.value)
    return str(caught.value)
