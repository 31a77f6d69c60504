"""An evaluation harness: 160 questions of multiple choice in 20 topics, each asked three times.

Each part of the agent has an option that switches it on. The "model" is a stub that is right with a chance of its
own for each question, so that the example needs no service. Put a call of your agent in the place of `answer`.
"""

import argparse
import csv
import json
import math
import random
from pathlib import Path

GAINS = {"retrieval": 0.9, "reranking": 0.15, "reasoning": 0.7, "tools": 0.4}  # in log-odds
TOKENS = {"retrieval": 900, "reranking": 150, "reasoning": 350, "tools": 200}


def answer(question: dict[str, str], parts: list[str], repeat: int, seed: int) -> tuple[str, int]:
    """Return the stub's answer and the number of tokens it took."""
    ease = random.Random(question["topic"]).gauss(-1.0, 0.5) + random.Random(question["question"]).gauss(0, 1)
    gain = sum(GAINS[part] for part in parts if part != "tools" or len(question["topic"]) < 8)
    chance = random.Random(f"{seed} {question['question']} {repeat} {parts}")
    is_right = chance.random() < 1 / (1 + math.exp(-ease - gain))
    return question["answer"] if is_right else "?", 120 + sum(TOKENS[p] for p in parts) + chance.randrange(80)


parser = argparse.ArgumentParser()
parser.add_argument("--repeats", type=int, default=3)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--out", type=Path, default=Path("."))
for part in GAINS:
    parser.add_argument(f"--{part}", action="store_true")
options = parser.parse_args()

parts = [part for part in GAINS if getattr(options, part)]
lines, tokens = [], []
with open("questions.csv", newline="") as file:
    for question in csv.DictReader(file):
        for repeat in range(options.repeats):
            text, used = answer(question, parts, repeat, options.seed)
            lines.append([question["question"], question["topic"], repeat, int(text == question["answer"])])
            tokens.append(used)

options.out.mkdir(parents=True, exist_ok=True)
with open(options.out / "answers.csv", "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["question", "topic", "repeat", "passed"])
    writer.writerows(lines)
(options.out / "metrics.json").write_text(json.dumps({"tokens": sum(tokens) / len(tokens)}))
