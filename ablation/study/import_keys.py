"""Keys of [import] in a study file: where results are read from, and what their fields mean."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

LAST, BEST = TAKES = ("last", "best")
ERROR, FIRST, LATEST = DUPLICATES = ("error", "first", "latest")


class LongKeys(BaseModel):
    """Names of the columns of a long source, with one line for each metric of a run."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    metric: str = Field(default="metric", description="the name of a column")
    value: str = Field(default="value", description="the name of a column")


class ImportKeys(BaseModel):
    """Keys of [import]. The description of a field lists its allowed values."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)

    source: str = Field(
        alias="from",
        min_length=1,
        description="a file, or an address such as mlflow:URI, optuna:URL, folders:hydra:PATH",
    )
    where: dict[str, Any] = Field(default={}, description="a table: field = value, or field = [values]")
    factors: dict[str, str] | list[str] = Field(
        default={}, description="a table: factor = the name of a field, or a list of fields"
    )
    seed: str = Field(default="", description="the name of a field")
    fold: str = Field(default="", description="the name of a field")
    metrics: dict[str, str] | list[str] = Field(
        default={},
        description="a table: val_, test_ or train_ and a measure = the name of a field; or a list of fields",
    )
    costs: dict[str, str] | list[str] = Field(
        default={}, description="a table: cost = the name of a field, or a list of fields"
    )
    pattern: str = Field(
        default="", description="a regular expression on the folder or name of a run; its named groups become fields"
    )
    percent: list[str] | None = Field(
        default=None, description="a list of the metrics that are percentages, from 0 to 100; [] where none is"
    )
    step: str = Field(default="", description="the name of the column that counts the steps of a run")
    long: bool | LongKeys = Field(default=False, description="true or false, or { metric = COLUMN, value = COLUMN }")
    take: Literal["last", "best"] = Field(default="last", description="last or best")
    ignore: list[str] = Field(default=[], description="a list of names of fields")
    duplicates: Literal["error", "first", "latest"] = Field(default="error", description="error, first or latest")
    test_examples: int | None = Field(default=None, ge=1, description="the number of test examples, from 1")
    example: str = Field(default="", description="the name of the column that identifies the example of a line")
    examples: str = Field(
        default="",
        description="a file of examples in the folder of each run, or the field that names the file",
    )
    group: str = Field(default="", description="the name of the column with the group of an example, such as a person")
    columns: dict[str, str] = Field(
        default={}, description="a table: label, predicted, score, group or repeat = the name of a column"
    )
    failed: dict[str, Any] = Field(default={}, description="a table: field = the value that failed runs have")
