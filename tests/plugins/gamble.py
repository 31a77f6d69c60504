"""An experiment that reports numbers alone: nothing is known of the games behind its score."""

import random

from pydantic import BaseModel, Field

from ablation.experiments.protocol import Prepared
from ablation.measures.measure import scalar
from ablation.store.record import Inputs

name, version = "gamble", 1
measures = {"score": scalar("score", "score", "points", 1), "minutes": scalar("minutes", "time", "min", 1, best="low")}


class factors(BaseModel, frozen=True, extra="forbid", strict=True):
    luck: float = Field(0.5, ge=0, le=1, title="Luck")
    games: int = Field(3, ge=1, le=99, title="Games", json_schema_extra={"shared": True})


def prepare(request, watch):
    return Prepared(Inputs())


def train(training, run):
    rng, won = random.Random(training.seed), 0.0
    for game in range(1, training.steps + 1):
        won += 10 * training.condition.luck + rng.random()
        run.report(val_score=won)
        if game in run.milestones:
            run.result(val={"score": won, "minutes": game}, test={"score": won + rng.random(), "minutes": game})
