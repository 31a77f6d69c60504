"""Keys of [folds] in a study file: the replicates of rows are the folds of a cross-validation."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

KINDS = ("plain", "stratified", "group", "stratified_group", "time")


class FoldKeys(BaseModel):
    """Keys of [folds]. The description of a field lists its allowed values."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    k: int = Field(ge=2, le=1000, description="a whole number from 2: the number of folds")
    repeats: int = Field(default=1, ge=1, le=1000, description="a whole number from 1: of divisions into folds")
    kind: Literal["plain", "stratified", "group", "stratified_group", "time"] = Field(
        default="plain", description="plain, stratified, group, stratified_group or time"
    )
    val: float = Field(
        default=0.1, ge=0, lt=1, description="a number from 0 to below 1: the share of a fold's training that validates"
    )

    @property
    def n(self) -> int:
        """Number of replicates of a row."""
        return self.k * self.repeats

    def place(self, replicate: int) -> tuple[int, int]:
        """Return the fold of a replicate and its repeat, both from 0."""
        return replicate % self.k, replicate // self.k

    @property
    def identity(self) -> str:
        """Text of all that decides which examples are in a replicate; more repeats change no earlier one."""
        return f"{self.k} {self.kind} folds, {self.val:g} for validation"
