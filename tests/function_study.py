"""A study of a function, `loop.py`, which tests write: a loop that resumes and shares its epochs."""

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
