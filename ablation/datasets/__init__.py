"""The layouts of image sets, and where each lives. A layout is a module with `matches(data)` and `load(data)`."""

LAYOUTS = {  # in the order in which they are tried
    "demo": "ablation.datasets.demo",
    "arrays": "ablation.datasets.arrays",
    "fer2013": "ablation.datasets.fer2013",
    "affwild2": "ablation.datasets.affwild2",
    "folders": "ablation.datasets.folders",
}
DECODING = "ablation.datasets.decoding"  # loads Pillow and joblib: named here, for whoever may lack them
HASHES = "ablation.datasets.hashes"  # loads Pillow and imagehash


def is_demo(data: str) -> bool:
    """Whether `data` means faces that the package draws, not a path."""
    return data == "demo" or data.startswith("demo:")
