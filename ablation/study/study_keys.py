"""Keys of a study file: their types and limits, the checks of their values, and the messages about wrong ones."""

import tomllib
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from ablation.errors import AblateError
from ablation.nearest import nearest
from ablation.study.experiment_keys import ExamplesKeys, ExperimentKeys, FactorKeys, ResultKeys
from ablation.study.fold_keys import FoldKeys
from ablation.study.grid import NOTHING, Grid
from ablation.study.import_keys import ImportKeys
from ablation.study.levels import floats
from ablation.study.table_keys import COSTS, SPLIT_NONE, Comparison, MeasureKeys, TableKeys

MAX_SEED = 2**32 - 1  # the largest seed that NumPy and scikit-learn accept
MAX_ROWS = 10_000
LARGEST = 32 << 20  # bytes of a study file
UNIONS = ("str", "int", "constrained-int")  # names that pydantic gives to the first members of unions
Margin = Annotated[int, Field(gt=0)] | Annotated[Decimal, Field(gt=0)]


class SelectKeys(BaseModel):
    """Keys of select_on as a table: the number that selects rows, and its direction."""

    model_config = ConfigDict(extra="forbid", strict=True)

    metric: str
    best: Literal["high", "low"]


class StudyKeys(BaseModel):
    """Keys of a study file. The description of a field lists its allowed values."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    title: str = Field("", description="a string")
    experiment: ExperimentKeys = Field(
        default_factory=lambda: ExperimentKeys(),
        description="a table: [experiment], then plugin = the name of an experiment",
    )
    reference: int | str | dict[str, Any] | None = Field(
        None, description="the number of a row, from 1, its label, or levels that only it has"
    )
    select_on: str | SelectKeys = Field(
        "", description='val_ and the name of a measure, none, or { metric = "val_...", best = "high" or "low" }'
    )
    select_on_test: bool = Field(False, description="true or false")
    seeds: list[Annotated[int, Field(ge=0, le=MAX_SEED)]] = Field(
        [0], min_length=1, description=f"a list of one or more whole numbers from 0 to {MAX_SEED}"
    )
    published_test_images: int | None = Field(None, ge=1, description="the number of test images of the source, from 1")
    repeats: int = Field(1, ge=1, description="a whole number from 1")
    equivalence_margin: Margin | dict[str, Margin] | None = Field(
        None,
        description="a number above 0, such as 0.01: smaller differences in the primary measure count as 0; or a table "
        "for several measures, as in { accuracy = 0.01, macro_f1 = 0.02 }",
    )
    table: TableKeys = Field(default_factory=TableKeys, description="a table: [table], then key = value")
    compare: list[Comparison] = Field(default_factory=list, description="a list of tables: [[compare]]")
    measures: dict[str, MeasureKeys] = Field(
        default_factory=dict, description="a table: [measures], then name = { key = value }"
    )
    folds: FoldKeys | None = Field(None, description="a table: [folds], then k = 5")
    imported: ImportKeys | None = Field(None, alias="import", description="a table: [import], then from = a source")
    fixed: dict[str, Any] = Field(default_factory=dict, description="a table: [fixed], then factor = level")
    rows: list[dict[str, Any]] | None = Field(None, description="a list of tables: [[rows]], then factor = level")
    factorial: dict[str, list[Any]] | None = Field(None, description="a table: factor = [levels]")
    one_at_a_time: dict[str, list[Any]] | None = Field(None, description="a table: factor = [levels]")
    leave_one_out: dict[str, dict[str, Any]] | None = Field(
        None, description="a table: component = { the levels that remove it }"
    )

    @property
    def is_imported(self) -> bool:
        """True where all results are imported: no experiment trains the rows that are missing in the source."""
        return self.imported is not None and not self.experiment.trains


TABLES: dict[str, type[BaseModel]] = {
    "experiment": ExperimentKeys, "factors": FactorKeys, "results": ResultKeys, "val": ExamplesKeys,
    "test": ExamplesKeys, "import": ImportKeys, "table": TableKeys, "compare": Comparison, "measures": MeasureKeys,
    "select_on": SelectKeys, "folds": FoldKeys,
}  # fmt: skip


def stated_levels(file: StudyKeys) -> list[str]:
    """Return the names of the factors of which a study file states levels, each once."""
    tables = [file.fixed, *(file.rows or []), file.factorial or {}, file.one_at_a_time or {}]
    names = [name for levels in (*tables, *(file.leave_one_out or {}).values()) for name in levels]
    return [name for name in dict.fromkeys(names) if name not in ("published", "label", "split_seed")]


def quote(value: Any) -> str:
    """Return a value as error messages show it: 80 characters at most."""
    try:
        text = str(value).lower() if isinstance(value, bool) else repr(floats(value))
    except ValueError:  # Python refuses to print an integer of more than 4300 digits
        return "a number of thousands of digits"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _quotes_hint(error: str) -> str:
    """Return the way out where a backslash is in double quotes, as in a regular expression."""
    return "; write text with backslashes in single quotes, as in '(\\S+)'" if "\\" in error else ""


def parse(path: Path) -> StudyKeys:
    """Return the keys of a study file. Raises AblateError for invalid TOML, and for an unknown or wrong key."""
    try:
        with open(path, "rb") as file:
            source = file.read(LARGEST + 1)
        if len(source) > LARGEST:
            raise AblateError(f"{path}: larger than {LARGEST >> 20} MiB; a study file is a text of some kilobytes")
        text = source.decode("utf-8-sig")  # editors on Windows write a byte order mark
        content = tomllib.loads(text, parse_float=Decimal)  # published numbers keep their decimals
    except OSError as error:
        raise AblateError(f"{path}: cannot be read: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise AblateError(f"{path}: not valid TOML: {error}{_quotes_hint(str(error))}") from None
    except UnicodeDecodeError:
        raise AblateError(f"{path}: not valid TOML: it is not UTF-8 text") from None
    except (ValueError, ArithmeticError):
        raise AblateError(f"{path}: not valid TOML: a number in it is too long") from None
    try:
        keys = StudyKeys.model_validate(content)
    except ValidationError as error:
        raise AblateError(f"{path}: {key_error(error)}") from None
    _refuse_repeats(path, keys)
    return _directed(path, keys)


def _refuse_repeats(path: Path, file: StudyKeys) -> None:
    """Raise AblateError for repeats of one trained model, which no experiment makes yet."""
    if file.repeats > 1:
        raise AblateError(
            f"{path}: repeats: {quote(file.repeats)} is not allowed; allowed: 1: no experiment repeats the evaluation "
            "of one training; for new trainings state seeds; for repeated answers return a column repeat in "
            "addition to id: they are averaged first"
        )


def _directed(path: Path, file: StudyKeys) -> StudyKeys:
    """Return the keys with `select_on` as text; its direction becomes that of its measure in [measures]."""
    stated = file.select_on
    if isinstance(stated, str):
        return file
    name = stated.metric.partition("_")[2]
    keys = file.measures.get(name, MeasureKeys())
    if stated.metric == NOTHING or keys.best not in (None, stated.best):
        raise AblateError(
            f"{path}: select_on.best: {quote(stated.best)} is not allowed; allowed: "
            + (
                "a metric on validation"
                if stated.metric == NOTHING
                else f"{keys.best}, as [measures] states for {name}"
            )
        )
    measures = {**file.measures, name: keys.model_copy(update={"best": stated.best})}
    return file.model_copy(update={"select_on": stated.metric, "measures": measures})


def key_error(error: ValidationError) -> str:
    """Return what is wrong with the keys of a study file: the key, its value and what is allowed."""
    first = error.errors(include_url=False)[0]
    key, *inner = first["loc"]
    model, field = _described(first["loc"])
    parts = [part for part in inner if part not in UNIONS]  # pydantic adds the members of a union
    where = str(key) + "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in parts)
    if first["type"] == "extra_forbidden":
        place = f"{where.rpartition('.')[0]}: " if inner else ""
        names, key = named_fields(model), first["loc"][-1]
        return f"{place}unknown key {quote(key)}; known: {', '.join(names)}{nearest(key, names)}"
    return f"{where}: {quote(first['input'])} is not allowed; allowed: {field}"


def named_fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a model by the names that a study file has for them."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def _described(place: Sequence[int | str]) -> tuple[type[BaseModel], str | None]:
    """Return the innermost model on the way to a key, and the description of the last field on it."""
    model: type[BaseModel] = StudyKeys
    description = None
    for part in place:
        if part not in (named := named_fields(model)):
            continue
        description = named[str(part)].description or description
        model = TABLES.get(str(part), model)
    return model, description


def measures(path: Path, file: StudyKeys, experiment: Any) -> dict[str, MeasureKeys]:
    """Return what the file states of measures. Raises AblateError for a measure that the experiment does not have; a
    number with split = "none" is a cost that the experiment need not declare."""
    names = experiment.measures
    if from_results(experiment):
        return file.measures
    for name in [n for n, keys in file.measures.items() if n not in names and not keys.split]:
        raise AblateError(
            f"{path}: measures: unknown measure {quote(name)}; known: {', '.join(names)}{nearest(name, names)}"
        )
    return file.measures


def from_results(experiment: Any) -> bool:
    """Return whether the measures of an experiment are known with its first result: names are checked then."""
    return bool(getattr(experiment, "measures_from_results", False))


def _primary(experiment: Any) -> str:
    """Return the name of the experiment's primary measure: by default, its first measure."""
    return str(getattr(experiment, "primary", next(iter(experiment.measures))))


def select_on(path: Path, file: StudyKeys, experiment: Any) -> str:
    """Return what rows are selected on: val_<measure> (by default the primary measure) or "none"."""
    if from_results(experiment):
        return str(experiment.selects_on(path, file))
    costs = reported_costs(file, experiment)
    allowed = [f"val_{name}" for name, m in experiment.measures.items() if name not in costs and not m.descriptive]
    stated = str(file.select_on) or f"val_{_primary(experiment)}"
    split, _, measure = stated.partition("_")
    if stated == NOTHING:
        return stated
    if stated in costs or measure in costs:
        raise AblateError(
            f"{path}: select_on: {quote(stated)} is a cost, and no row is selected on a cost; allowed: "
            f"{', '.join(allowed)}, or {NOTHING}"
        )
    if split not in ("val", "test") or measure not in experiment.measures:
        raise AblateError(
            f"{path}: select_on: unknown measure {quote(stated)}; allowed: {', '.join(allowed)}, or {NOTHING}"
            f"{nearest(stated, [*allowed, NOTHING])}"
        )
    if split == "test" and not file.select_on_test:
        raise AblateError(
            f"{path}: select_on: {stated!r} would select on the test set; allowed: {', '.join(allowed)}, {NOTHING}, or "
            "select_on_test = true, which every table then states"
        )
    return stated


def primary(path: Path, file: StudyKeys, experiment: Any) -> str:
    """Return the name of the measure whose differences are tested: that of [table], otherwise the experiment's."""
    stated = file.table.primary
    if from_results(experiment):
        return stated.removeprefix("test_") or select_on(path, file, experiment).partition("_")[2]
    if not stated:
        named: str = getattr(experiment, "primary", "") or select_on(path, file, experiment).partition("_")[2]
        return named or _primary(experiment)
    allowed = [f"test_{name}" for name, measure in experiment.measures.items() if "test" in measure.splits]
    if stated not in allowed:
        raise AblateError(
            f"{path}: table.primary: {quote(stated)} is not a measure of this experiment; allowed: {', '.join(allowed)}"
        )
    return stated.removeprefix("test_")


def reported_costs(file: StudyKeys, experiment: Any) -> list[str]:
    """Return the names of the costs that trials report: measures without a split, and those with split = "none"."""
    declared = [name for name, measure in experiment.measures.items() if not measure.splits]
    stated = [name for name, keys in file.measures.items() if keys.split == SPLIT_NONE]
    return list(dict.fromkeys([*declared, *stated]))


def table(path: Path, file: StudyKeys, experiment: Any) -> TableKeys:
    """Return the keys of [table]. Raises AblateError for a column that no study of the experiment has."""
    if from_results(experiment):
        return file.table
    allowed = [
        f"{split}_{name}"
        for split in ("train", "val", "test")
        for name, measure in experiment.measures.items()
        if split in measure.splits
    ]
    allowed = list(dict.fromkeys([*allowed, *COSTS, *reported_costs(file, experiment)]))
    columns = file.table.columns or []
    for n, column in enumerate(columns, start=1):
        where = f"{path}: table.columns[{n}]"
        if column not in allowed:
            raise AblateError(f"{where}: unknown column {quote(column)}; known: {', '.join(allowed)}")
        if column in columns[: n - 1]:
            raise AblateError(f"{where}: {quote(column)} is named twice; name each column once")
    return file.table


def refuse_second_best(path: Path, grid: Grid) -> None:
    """Raise AblateError where a second best row is requested, and validation selects no best one."""
    if grid.table.second_best and (grid.on_test or not grid.selects):
        raise AblateError(
            f"{path}: table.second_best: true is not allowed with select_on = {quote(grid.select_on)}; allowed: false, "
            "or select_on with a measure on validation"
        )


def margin(path: Path, file: StudyKeys, experiment: Any) -> float | None:
    """Return the equivalence margin of the primary measure, in its raw value; None where the file states none."""
    stated = file.equivalence_margin
    if stated is None:
        return None
    name = primary(path, file, experiment)
    if from_results(experiment):
        return float(stated[name] if isinstance(stated, dict) else stated)
    measures, where = experiment.measures, f"{path}: equivalence_margin"
    margins = stated if isinstance(stated, dict) else {name: stated}
    for other in [n for n in margins if n not in measures]:
        raise AblateError(f"{where}: unknown measure {quote(other)}; known: {', '.join(measures)}")
    if name not in margins:
        raise AblateError(
            f"{where}: the primary measure {name} has no margin, and it alone is tested; state {name} = a number "
            "above 0, or set table.primary"
        )
    for other, value in margins.items():
        _refuse_large(where if margins is not stated else f"{where}.{other}", file, measures[other], value)
    return float(margins[name])


def _refuse_large(where: str, file: StudyKeys, measure: Any, value: Decimal | int) -> None:
    """Raise AblateError for a margin of 1 or more in a fraction, which [measures] may show as a percentage."""
    keys = file.measures.get(measure.name, MeasureKeys())
    is_share = measure.is_share if keys.unit is None else keys.unit == "%"
    if is_share and value >= 1:
        raise AblateError(
            f"{where}: {quote(value)} is not allowed; allowed: a fraction below 1, such as 0.01: smaller differences "
            f"in {keys.title or measure.title} count as 0"
        )


def split_seed(place: str, fixed: dict[str, Any]) -> int:
    """Return `split_seed` and remove it from `fixed`: a split seed belongs to the study and is not a factor."""
    seed = fixed.pop("split_seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= MAX_SEED:
        raise AblateError(
            f"{place}split_seed: {quote(seed)} is not allowed; allowed: a whole number from 0 to {MAX_SEED}"
        )
    return seed


def seeds(path: Path, file: StudyKeys, requested: Sequence[int] | None) -> tuple[int, ...]:
    """Return the seeds of the file, or those `requested` by `--seeds`; the numbers of the folds where folds are stated.

    Raises AblateError for a repeated seed, and for seeds together with folds.
    """
    if file.folds:
        if requested is not None or "seeds" in file.model_fields_set:
            where = "--seeds" if requested is not None else f"{path}: seeds"
            raise AblateError(f"{where}: the replicates are those of [folds]; leave out one of the two")
        return tuple(range(file.folds.n))
    seeds, where = (file.seeds, f"{path}: seeds") if requested is None else (requested, "--seeds")
    if repeated := [seed for seed, count in Counter(seeds).items() if count > 1]:
        raise AblateError(f"{where}: {repeated[0]} is named twice; name each once")
    return tuple(seeds)
