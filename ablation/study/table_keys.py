"""Keys of a study file that state how results are compared and shown: [table], [[compare]] and [measures]."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SEEDS, EXAMPLES, BOTH = UNCERTAINTY = ("seeds", "examples", "both")
GROUPS = "groups"
UNITS = (EXAMPLES, GROUPS)
REFERENCE, ALL_PAIRS, LIST = FAMILIES = ("reference", "all_pairs", "list")
MARKS = ("symbols", "stars")
SPLIT_NONE = "none"
COSTS = ("parameters", "seconds", "memory")  # costs that results of all experiments have

Label = str | int | dict[str, object]  # of a row in [[compare]]: its label, or levels that only it has; no number


class TableKeys(BaseModel):
    """Keys of [table]. The description of a field lists its allowed values."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    primary: str = Field(
        default="", description="test_ and the name of a measure: it alone has differences and p values"
    )
    uncertainty: Literal["", "seeds", "examples", "both"] = Field(default="", description="seeds, examples or both")
    units: Literal["", "examples", "groups"] = Field(default="", description="examples or groups")
    columns: list[str] | None = Field(
        default=None, description="a list of names: train_, val_ or test_ with a measure; parameters, seconds, memory"
    )
    marks: Literal["symbols", "stars"] = Field(default="symbols", description="symbols or stars")
    second_best: bool = Field(default=False, description="true or false")
    order: Literal["study", "best"] = Field(
        default="study", description="study, or best: by the primary measure on test, the best row first"
    )
    intervals: Literal["auto", "all"] = Field(default="auto", description="auto or all")
    style: Literal["plain", "siunitx"] = Field(default="plain", description="plain or siunitx")
    form: Literal["float", "standalone", "fragment"] = Field(
        default="float", description="float, standalone or fragment"
    )
    wide: bool = Field(default=False, description="true or false")


class Comparison(BaseModel):
    """Keys of one [[compare]]: a family of comparisons with one correction."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    rows: list[Label] | None = Field(
        default=None, description="a list of two or more rows: labels, or tables of levels"
    )
    family: Literal["reference", "all_pairs", "list"] = Field(
        default="list", description="reference, all_pairs or list"
    )


class MeasureKeys(BaseModel):
    """Keys of one measure in [measures]: what a number means."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    like: str | None = Field(default=None, description="the name of a measure that this package knows")
    title: str | None = Field(default=None, description="a string")
    unit: str | None = Field(default=None, description='a string; "%" shows fractions as percentages')
    decimals: int | None = Field(default=None, ge=0, le=9, description="a whole number from 0 to 9")
    best: Literal["high", "low"] | None = Field(default=None, description="high or low")
    split: Literal["none"] | None = Field(
        default=None, description="none: the number is a cost, and nothing is selected on it"
    )
