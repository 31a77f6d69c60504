"""The layouts of image sets, and where each lives. A layout is a module with `matches(data)` and `load(data)`."""

LAYOUTS = {  # in the order in which they are tried
    "demo": "ablation.datasets.demo",
    "arrays": "ablation.datasets.arrays",
    "fer2013": "ablation.datasets.fer2013",
    "affwild2": "ablation.datasets.affwild2",
    "folders": "ablation.datasets.folders",
}


def is_demo(data: str) -> bool:
    """Whether `data` means faces that the package draws, not a path."""
    return data == "demo" or data.startswith("demo:")
