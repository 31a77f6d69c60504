"""The layouts of image sets, and where each lives. A layout is a module with `matches(data)` and `load(data)`."""

from importlib import import_module
from typing import TYPE_CHECKING

from ablation.errors import AblateError

if TYPE_CHECKING:
    from ablation.datasets.images import Images

LAYOUTS = {  # in the order in which they are tried
    "demo": "ablation.datasets.demo",
    "arrays": "ablation.datasets.arrays",
    "fer2013": "ablation.datasets.fer2013",
    "affwild2": "ablation.datasets.affwild2",
    "folders": "ablation.datasets.folders",
}


def load(data: str) -> "Images":
    """The image set at `data`, in whichever layout it lies there. Raises AblateError where it is none."""
    for path in LAYOUTS.values():
        layout = import_module(path)
        if layout.matches(data):
            images: Images = layout.load(data)
            return images
    raise AblateError(
        f"{data}: no image set; --data takes a folder of class folders, fer2013.csv, an Aff-Wild2 folder, "
        "an .npz file, or 'demo'"
    )
