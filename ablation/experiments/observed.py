"""Inputs of studies whose measures follow from their results: the kinds of their numbers and of their examples."""

from collections.abc import Mapping
from dataclasses import replace

from pydantic import Field

from ablation.measures import from_columns
from ablation.measures.measure import SPLITS, Measure
from ablation.store import record


class ObservedInputs(record.Inputs):
    """Inputs of a study, with what its results have shown of its measures.

    `largest`: number, such as val_accuracy, or cost -> its largest size. `task`, `examples_like`: task of the examples
    and a few values of their columns, where there are examples.
    """

    largest: dict[str, float] = Field(default_factory=dict)
    task: str = ""
    examples_like: dict[str, list[float]] = Field(default_factory=dict)

    @property
    def place(self) -> str:
        """Beginning of an error message: where the numbers are from."""
        return "[experiment]"

    def measures(self, declared: Mapping[str, Measure]) -> Mapping[str, Measure]:
        """Return the measures of the examples, then those of the numbers."""
        stated = {name: self.number(m) for name, m in from_columns.of_numbers(self.largest, self.place).items()}
        of_examples = from_columns.of_kinds(self.task, self.examples_like) if self.task else {}
        both = {  # computed from the examples of the test, and stated on validation
            name: replace(measure, splits=tuple(s for s in SPLITS if s in {*measure.splits, *stated[name].splits}))
            for name, measure in of_examples.items() if name in stated
        }  # fmt: skip
        return {**of_examples, **stated, **both}

    def number(self, measure: Measure) -> Measure:
        """Return the measure of a number, adapted to these inputs."""
        return measure

    @property
    def detailed(self) -> tuple[str, ...]:
        if self.task:
            return tuple(from_columns.of_kinds(self.task, self.examples_like))
        return tuple(number.removeprefix("test_") for number in self.largest if number.startswith("test_"))
