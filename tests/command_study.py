"""A study of a command, `train.py`, which tests write: three rows that differ in width, with two seeds."""

STUDY = """
select_on = "val_score"
seeds = [0, 1]
[experiment]
command = "python train.py {folder} {width} {seed}"
[experiment.factors]
width = { default = 1, from = 1 }
[experiment.results]
file = "{folder}/metrics.json"
[measures]
score = { best = "high" }
[one_at_a_time]
width = [2, 3]
"""
