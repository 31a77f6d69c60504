"""Keys of [experiment] in a study file: a plug-in, a function, or a command with its factors and its results."""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ablation.study.levels import floats

SEED = re.compile(r"(?<!\{)(?:\{\{)*\{seed\}")  # doubled braces are no names
Number = Annotated[float, Field(allow_inf_nan=False)]
Ends = Literal["done", "diverged", "failed", "interrupted", "out of memory"]


class FactorKeys(BaseModel):
    """Keys of a factor in [experiment.factors]: what a signature states of a parameter."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    title: str = Field(default="", description="a string")
    default: Any = Field(default=None, description="the level of rows that state none")
    choices: list[str | int | float] | None = Field(
        default=None, min_length=1, description="a list of the allowed levels"
    )
    above: Number | None = Field(default=None, description="a number; levels are larger")
    below: Number | None = Field(default=None, description="a number; levels are smaller")
    least: Number | None = Field(default=None, alias="from", description="a number, the smallest level")
    most: Number | None = Field(default=None, alias="to", description="a number, the largest level")
    if_true: str | None = Field(default=None, alias="true", description="a string: the arguments for true")
    if_false: str | None = Field(default=None, alias="false", description="a string: the arguments for false")
    join: str = Field(default=",", description="a string between the parts of a list; a blank: one argument each")


class PrintedKeys(BaseModel):
    """A number that a command prints: regular expressions for its value and its step."""

    model_config = ConfigDict(extra="forbid", strict=True)

    stdout: str = Field(description="a regular expression with a group `value`, or one group")
    step: str = Field(
        default="",
        description="a regular expression with one group: the step that later numbers are of; a second one: all steps",
    )


class MlflowKeys(BaseModel):
    """A metric that a command sends to MLflow, to a database of its own."""

    model_config = ConfigDict(extra="forbid", strict=True)

    mlflow: str = Field(description='the key of a metric, as in { mlflow = "auc" }')


Source = str | PrintedKeys | MlflowKeys  # of a number: a field of the file, a line that is printed, a metric


class ExamplesKeys(BaseModel):
    """A file of examples of one split, and what its columns mean."""

    model_config = ConfigDict(extra="forbid", strict=True)

    examples: str = Field(description="a path, as in {folder}/test.csv")
    example: str = Field(default="", description="the name of a column, the id of the example")
    group: str = Field(default="", description="the name of a column")
    columns: dict[str, str] = Field(
        default_factory=dict, description="a table: label, predicted, ... = the name of a column"
    )


class ResultKeys(BaseModel):
    """Keys of [experiment.results]: where the numbers and the examples of a training are."""

    model_config = ConfigDict(extra="forbid", strict=True)

    file: str = Field(default="", description="a path of a .json, .jsonl or .csv file, as in {folder}/metrics.json")
    take: Literal["last", "best"] = Field(
        default="last", description="last, or best: all numbers at the step that select_on finds best"
    )
    val: ExamplesKeys | None = Field(default=None, description='a table: { examples = "{folder}/val.csv" }')
    test: ExamplesKeys | None = Field(default=None, description='a table: { examples = "{folder}/test.csv" }')
    measures: dict[str, Source] = Field(
        default_factory=dict, description="a table: val_NAME, test_NAME or NAME = a field of the file"
    )

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths of the files that a training writes, with {names}."""
        stated = (self.file, *(split.examples for split in (self.val, self.test) if split))
        return tuple(path for path in stated if path)


class ExperimentKeys(BaseModel):
    """Keys of [experiment]."""

    model_config = ConfigDict(extra="forbid", strict=True)

    plugin: str = Field(default="", description="the name of an experiment")
    task: Literal["", "classes", "numbers", "scores", "scalars"] = Field(
        default="", description="classes, numbers, scores or scalars: what the columns of the examples are"
    )
    command: str | list[str] | None = Field(
        default=None, min_length=1, description="a command line, or a list with one string for each argument"
    )
    function: str = Field(default="", description="a file and its function, as in train.py:train")
    shares: str = Field(
        default="", description="the name of a factor that one training answers with all of its levels, as epochs"
    )
    python: str = Field(default="", description="the path of the interpreter that runs the function")
    process: Literal["fresh", "kept"] = Field(
        default="fresh", description="fresh: a process for each training; kept: one for many"
    )
    name: str = Field(default="", description="a string: trainings of equal names, versions and levels are one")
    version: int = Field(
        default=1, ge=0, description="a whole number; count it up when the same levels mean something new"
    )
    cwd: str = Field(default=".", description="a folder, relative to this file, in which the command runs")
    inputs: list[str] = Field(
        default_factory=list, description="a list of patterns of files that trainings read, as in data/*.npz"
    )
    code: list[str] = Field(
        default_factory=list, description="a list of patterns of paths, relative to cwd, as in src/**/*.f90"
    )
    resume: str = Field(default="", description="arguments that are added where a checkpoint is there")
    checkpoint: str = Field(default="", description="a pattern of paths, as in {folder}/ckpt/*.pt")
    grace: str = Field(default="60s", description="a time, as in 60s: from SIGTERM to SIGKILL")
    memory: str = Field(default="", description="a size, as in 6 GiB: the memory of a GPU that a training needs")
    ends: dict[str, Ends] = Field(
        default_factory=dict, description='a table: exit code = "diverged", "interrupted", "out of memory", "failed"'
    )
    io: bool = Field(default=False, description="true where trials wait for answers: slots may exceed the cores")
    artifacts: list[str] = Field(
        default_factory=list, description="a list of patterns of files in {folder}, as in plots/*.png"
    )
    env: dict[str, str] = Field(default_factory=dict, description="a table: variable = a string")
    settings: dict[str, str | int | float | bool] = Field(
        default_factory=dict, description="a table: name = a value of the command that is no factor"
    )
    factors: dict[str, FactorKeys] = Field(
        default_factory=dict, description="a table: factor = { default = ..., from = ..., to = ... }"
    )
    results: ResultKeys = Field(
        default_factory=ResultKeys, description="a table: [experiment.results], then file = a path"
    )

    @model_validator(mode="before")
    @classmethod
    def _with_floats(cls, keys: Any) -> Any:
        """Return the keys with floats in place of decimals, as which the numbers of a study file are read."""
        return floats(keys)

    @property
    def takes_seed(self) -> bool:
        """False where a command has no {seed}, so that all its runs would be of one seed."""
        if self.command is None:
            return True
        parts = [self.command] if isinstance(self.command, str) else self.command
        return any(SEED.search(part) for part in (*parts, self.resume))

    @property
    def trains(self) -> bool:
        """True where an experiment is stated, so that results need not be imported."""
        return bool(self.plugin or self.function) or self.command is not None
