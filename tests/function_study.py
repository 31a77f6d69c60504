"""Studies of functions, which tests write: `loop.py`, a loop that resumes and shares its epochs, and `train.py`, a
classifier without a loop."""

LOOP = """
import json, pathlib, random

def train(run, *, width: int = 1, epochs: int = 4):
    state = {"total": 0.0}
    def save(path):
        pathlib.Path(path).write_text(json.dumps(state))
    def load(path):
        state.update(json.loads(pathlib.Path(path).read_text()))
    run.state(save, load)
    rate = 0.5
    for epoch in run.steps(epochs):
        state["total"] += width * rate * random.random()
        run.report(loss=state["total"])
        if run.milestone:
            noise = 0.0
            run.result(val={"score": state["total"] + noise}, test={"score": state["total"] - noise})
"""
STUDY = """
select_on = "val_score"
seeds = [0, 1]
[experiment]
function = "loop.py:train"
shares = "epochs"
[measures]
score = { best = "high" }
[factorial]
width = [1, 2]
epochs = [2, 4]
"""
CLASSIFIER = """
import random

def train(*, width: int = 1, seed: int = 0):
    draw = random.Random(10 * width + seed)
    label = [n % 2 for n in range(200)]
    predicted = [1 - y if draw.random() < 0.3 / width else y for y in label]
    return {split: {"label": label, "predicted": predicted} for split in ("val", "test")}
"""
CLASSES = """
select_on = "val_accuracy"
seeds = [0, 1, 2]
[experiment]
function = "train.py:train"
task = "classes"
[one_at_a_time]
width = [2]
"""
