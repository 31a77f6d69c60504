"""Layouts of image sets and their modules. A layout is a module with `matches(data)` and `load(data)`."""

LAYOUTS = {  # tried in this order
    "demo": "ablation.experiments.keras_head.datasets.demo",
    "arrays": "ablation.experiments.keras_head.datasets.arrays",
    "fer2013": "ablation.experiments.keras_head.datasets.fer2013",
    "affwild2": "ablation.experiments.keras_head.datasets.affwild2",
    "folders": "ablation.experiments.keras_head.datasets.folders",
}
# Named and not imported, because they load Pillow, joblib and imagehash, which may not be installed.
DECODING = "ablation.experiments.keras_head.datasets.decoding"
HASHES = "ablation.experiments.keras_head.datasets.hashes"
