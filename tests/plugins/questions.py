"""A harness that asks 200 questions three times: repeats are nested in the question, and questions in topics."""

import numpy as np
from pydantic import BaseModel, Field

from ablation.experiments.protocol import Prepared
from ablation.measures.columns import mean_of
from ablation.store.record import Inputs

name, version = "questions", 1
QUESTIONS, REPEATS, TOPICS = 200, 3, 25
measures = {"correct": mean_of("correct", True)}


class factors(BaseModel, frozen=True, extra="forbid", strict=True):
    temperature: float = Field(0.0, ge=0, le=2, title="Temperature")
    examples: int = Field(0, ge=0, le=16, title="Examples in the prompt")


def prepare(request, watch):
    return Prepared(Inputs(digests={"questions": "drawn"}, sizes={"val": QUESTIONS, "test": QUESTIONS}))


def train(training, run):
    levels, rng = training.condition, np.random.default_rng(training.seed)
    answers = {}
    for part, seed in (("val", 1), ("test", 2)):
        drawn = np.random.default_rng(seed)
        topics = np.arange(QUESTIONS) % TOPICS
        ease = drawn.normal(0.4, 0.5, TOPICS)[topics] + drawn.normal(0, 1, QUESTIONS) + 0.03 * levels.examples
        noise = rng.normal(0, 0.2 + levels.temperature, (QUESTIONS, REPEATS))
        answers[part] = {
            "id": np.repeat([f"q{i:03}" for i in range(QUESTIONS)], REPEATS),
            "repeat": np.tile(np.arange(REPEATS), QUESTIONS),
            "group": np.repeat([f"topic {t}" for t in topics], REPEATS),
            "correct": (ease[:, None] + noise > 0).ravel(),
        }
    run.result(**answers)
