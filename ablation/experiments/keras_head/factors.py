"""Factors of the Keras experiment: levels, defaults, ranges and headings."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ablation.study.levels import Condition

MAX_LAYERS = 16
Units = Annotated[int, Field(ge=1, le=65_536)]


class HeadFactors(BaseModel):
    """Factors that rows may vary. A field's title is its short heading.

    A list of equal units becomes one number, so that equal rows have equal values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    backbone: Literal["vgg16", "mobilenetv2"] = Field("vgg16", title="Backbone")
    weights: str = Field(
        "imagenet",
        pattern=r"\A[^\x00]+\z",
        title="Weights",
        description="'imagenet', 'random', or a path",
        json_schema_extra={"format": "path", "words": ["imagenet", "random"], "beside": "backbone"},
    )
    image_size: int = Field(32, ge=32, le=512, title="Size")
    trainable: Literal["head", "block5", "all"] = Field("head", title="Trainable")
    fc_layers: int = Field(2, ge=1, le=MAX_LAYERS, title="Layers")
    fc_units: Units | Annotated[tuple[Units, ...], Field(min_length=1, max_length=MAX_LAYERS)] = Field(
        4096,
        title="FC",
        description="a whole number from 1 to 65536, or a list of 1 to 16 of them, one a layer",
    )
    dropout: float = Field(0.25, ge=0, lt=1, title="Dropout")
    optimizer: Literal["adam", "adamw", "rmsprop", "sgd"] = Field("adam", title="Optimizer")
    learning_rate: float = Field(1e-4, ge=1e-8, le=10, title="LR")
    batch_size: int = Field(256, ge=1, le=65_536, title="Batch")
    epochs: int = Field(10, ge=1, le=100_000, title="Epochs", json_schema_extra={"shared": True})
    balance: Literal["none", "class_weight", "batch"] = Field("none", title="Balance")
    augment: Literal["none", "flip", "light"] = Field("none", title="Augment")
    align: Literal["none", "train", "all"] = Field("none", title="Align")
    split: Literal["given", "class", "subject"] = Field("given", title="Split")
    precision: Literal["float32", "tensorfloat32", "bfloat16", "float16"] = Field("float32", title="Precision")

    @model_validator(mode="before")
    @classmethod
    def _canonical_units(cls, levels: dict[str, Any]) -> dict[str, Any]:
        units = levels.get("fc_units")
        if not isinstance(units, list | tuple):
            return levels
        levels = {**levels, "fc_units": tuple(units)}
        if not 1 <= len(units) <= MAX_LAYERS:
            return levels
        levels = {"fc_layers": len(units), **levels}
        same = len(units) == levels["fc_layers"] and all(type(u) is int and u == units[0] for u in units)
        return {**levels, "fc_units": units[0]} if same else levels

    @model_validator(mode="after")
    def _one_unit_a_layer(self) -> "HeadFactors":
        if isinstance(self.fc_units, tuple) and len(self.fc_units) != self.fc_layers:
            raise ValueError(
                f"fc_units: {len(self.fc_units)} numbers, but fc_layers is {self.fc_layers}; state one number per layer"
            )
        return self


def condition(**levels: Any) -> Condition:
    """Return a row of the table: the given levels, otherwise defaults. Raises pydantic.ValidationError."""
    return Condition(HeadFactors(**levels).model_dump())
