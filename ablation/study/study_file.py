"""Parser of study files: a study file becomes a Grid. Errors name the file, the key and the allowed values."""

import contextlib
import itertools
import os.path
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ablation import experiments
from ablation.errors import AblateError
from ablation.study.grid import NOTHING, PUBLISHED, Grid
from ablation.study.levels import Condition, Schema, schema_of, short, text
from ablation.study.merge import SETS, parts, together

MAX_SEED = 2**32 - 1  # the largest seed that NumPy and scikit-learn accept
MAX_ROWS = 10_000
DESIGNS = ("rows", "factorial", "one_at_a_time", "leave_one_out")


class _Experiment(BaseModel):
    """Keys of [experiment]."""

    model_config = ConfigDict(extra="forbid", strict=True)

    plugin: str = experiments.DEFAULT


class _StudyFile(BaseModel):
    """Keys of a study file. The description of a field lists its allowed values."""

    model_config = ConfigDict(extra="forbid", strict=True)

    title: str = Field("", description="a string")
    experiment: _Experiment = Field(
        default_factory=_Experiment, description="a table: [experiment], then plugin = the name of an experiment"
    )
    reference: int | None = Field(None, description="the number of a row, from 1")
    select_on: str = Field("", description="val_ and the name of a measure, or none")
    select_on_test: bool = Field(False, description="true or false")
    seeds: list[Annotated[int, Field(ge=0, le=MAX_SEED)]] = Field(
        [0], min_length=1, description=f"a list of one or more whole numbers from 0 to {MAX_SEED}"
    )
    published_test_images: int | None = Field(None, ge=1, description="the number of test images of the source, from 1")
    equivalence_margin: Decimal | None = Field(
        None, gt=0, description="a number above 0, such as 0.01: smaller differences in the primary measure count as 0"
    )
    fixed: dict[str, Any] = Field(default_factory=dict, description="a table: [fixed], then factor = level")
    rows: list[dict[str, Any]] | None = Field(None, description="a list of tables: [[rows]], then factor = level")
    factorial: dict[str, list[Any]] | None = Field(None, description="a table: factor = [levels]")
    one_at_a_time: dict[str, list[Any]] | None = Field(None, description="a table: factor = [levels]")
    leave_one_out: dict[str, dict[str, Any]] | None = Field(
        None, description="a table: component = { the levels that remove it }"
    )


@dataclass(frozen=True)
class _Row:
    """Row before validation: its position in the file, its levels, its label and its published numbers."""

    where: str
    levels: dict[str, Any]
    label: Any = ""
    published: Any = field(default_factory=dict)


def _quote(value: Any) -> str:
    """Return a value as error messages show it: 80 characters at most."""
    try:
        text = str(value).lower() if isinstance(value, bool) else repr(_floats(value))
    except ValueError:  # Python refuses to print an integer of more than 4300 digits
        return "a number of thousands of digits"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _floats(value: Any) -> Any:
    """Return a value with every Decimal replaced by a float, also inside lists and tables."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {k: _floats(v) for k, v in value.items()}
    return [_floats(v) for v in value] if isinstance(value, list) else value


def _study_files(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def shipped() -> dict[str, Path]:
    """Return the studies that are shipped with this package: name -> file."""
    package = Path(str(files("ablation")))
    installed = package / "studies"  # in a checkout, the studies are stored next to the package
    return _study_files(installed if installed.is_dir() else package.parent / "studies")


def _plugin_studies() -> dict[str, Path]:
    """Return the studies of installed experiments: name -> file. Experiments that cannot be loaded are skipped."""
    studies: dict[str, Path] = {}
    for name in set(experiments.names()) - experiments.BUILT_IN.keys():
        with contextlib.suppress(AblateError):
            folder = getattr(experiments.load(name), "studies", None)
            studies |= _study_files(Path(folder)) if folder else {}
    return studies


def _no_file(grid: str) -> AblateError:
    """Return the error for a `--grid` path that is not a study file."""
    takes = f"--grid takes a study file (.toml), or the name of a shipped study: {', '.join(shipped())}"
    if os.path.isdir(grid):
        inside = [path.name for path in sorted(Path(grid).glob("*.toml"))]
        holds = f" (it contains: {', '.join(inside[:5])}{', ...' if inside[5:] else ''})" if inside else ""
        return AblateError(f"--grid {grid}: is a folder{holds}; {takes}")
    if os.path.exists(grid):
        return AblateError(f"--grid {grid}: is not a regular file that ends in .toml; {takes}")
    hint = f"`ablate new {grid}` writes one to start from" if grid.endswith(".toml") else "a study file ends in .toml"
    return AblateError(f"--grid {grid}: no such file; {hint}")


def find(grid: str) -> Path:
    """Return the study file that `--grid` names: a path or a study's name. Raises AblateError if it is missing."""
    if grid.endswith(".toml") or "/" in grid:
        if os.path.isfile(grid):  # Path.is_file raises an error when a name is too long
            return Path(grid)
        raise _no_file(grid)
    if grid in (shipped_studies := shipped()):
        return shipped_studies[grid]
    studies = shipped_studies | _plugin_studies()
    if grid not in studies:
        if os.path.exists(grid):
            raise _no_file(grid)
        raise AblateError(f"--grid {grid}: no such study; shipped: {', '.join(studies)}, or the path of a .toml file")
    return studies[grid]


def _parse(path: Path) -> _StudyFile:
    try:
        with open(path, "rb") as file:
            text = file.read().decode("utf-8-sig")  # editors on Windows write a byte order mark
        content = tomllib.loads(text, parse_float=Decimal)  # published numbers keep their decimals
    except OSError as error:
        raise AblateError(f"{path}: cannot be read: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise AblateError(f"{path}: not valid TOML: {error}") from None
    except UnicodeDecodeError:
        raise AblateError(f"{path}: not valid TOML: it is not UTF-8 text") from None
    except (ValueError, ArithmeticError):
        raise AblateError(f"{path}: not valid TOML: a number in it is too long") from None
    try:
        return _StudyFile.model_validate(content)
    except ValidationError as error:
        raise AblateError(f"{path}: {_key_error(error)}") from None


def _key_error(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    key, *inner = first["loc"]
    if first["type"] == "extra_forbidden":
        return f"unknown key {_quote(key)}; known: {', '.join(_StudyFile.model_fields)}"
    where = str(key) + "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in inner)
    return f"{where}: {_quote(first['input'])} is not allowed; allowed: {_StudyFile.model_fields[str(key)].description}"


def _stated_rows(rows: list[dict[str, Any]]) -> Iterator[_Row]:
    for n, row in enumerate(rows, start=1):
        levels = {k: _floats(v) for k, v in row.items() if k not in ("published", "label")}
        yield _Row(f"rows[{n}]", levels, row.get("label", ""), row.get("published", {}))


def _factorial(levels: dict[str, list[Any]]) -> Iterator[_Row]:
    for cell in itertools.product(*levels.values()):
        yield _Row("factorial", dict(zip(levels, cell, strict=True)))


def _one_at_a_time(levels: dict[str, list[Any]]) -> Iterator[_Row]:
    yield _Row("fixed", {})
    for factor, values in levels.items():
        for value in values:
            yield _Row("one_at_a_time", {factor: value})


def _leave_one_out(components: dict[str, dict[str, Any]]) -> Iterator[_Row]:
    yield _Row("fixed", {}, label="all components")
    for name, levels in components.items():
        yield _Row(f"leave_one_out.{name}", levels, label=f"without {name}")


def _rows_of(file: _StudyFile) -> Iterator[_Row]:
    if file.factorial is not None:
        return _factorial(_floats(file.factorial))
    if file.one_at_a_time is not None:
        return _one_at_a_time(_floats(file.one_at_a_time))
    if file.leave_one_out is not None:
        return _leave_one_out(_floats(file.leave_one_out))
    return _stated_rows(file.rows or [])


def _design(path: Path, file: _StudyFile) -> list[_Row]:
    stated = [d for d in DESIGNS if getattr(file, d) is not None]
    if len(stated) != 1:
        stated_names = " and ".join(stated) or "none"
        raise AblateError(f"{path}: one design is needed, found {stated_names}; allowed: {', '.join(DESIGNS)}")
    name, design = stated[0], getattr(file, stated[0])
    empty = [f"{name}.{k}" for k, v in design.items() if not v] if isinstance(design, dict) else []
    if not design or empty:
        raise AblateError(f"{path}: {[*empty, name][0]}: empty; state at least one {'level' if empty else 'row'}")
    rows = list(itertools.islice(_rows_of(file), MAX_ROWS + 1))
    if len(rows) > MAX_ROWS:
        raise AblateError(f"{path}: {name}: more than {MAX_ROWS} rows; remove levels")
    return rows


@dataclass(frozen=True)
class _Factors:
    """Factors of an experiment, with the checks of their levels."""

    experiment: Any
    schema: Schema

    @property
    def model(self) -> type[BaseModel]:
        factors: type[BaseModel] = self.experiment.factors
        return factors

    def condition(self, place: str, levels: Mapping[str, Any]) -> Condition:
        """Return a row of the table. Raises AblateError for a wrong level; the message is `place`, then the factor."""
        try:
            return Condition(self.model.model_validate(dict(levels)).model_dump())
        except ValidationError as error:
            raise AblateError(f"{place}{self._error(levels, error)}") from None

    def check(self, place: str, levels: Mapping[str, Any]) -> None:
        """Raise AblateError where one of `levels` is not allowed. Required factors may be missing: rows set them."""
        try:
            self.model.model_validate(dict(levels))
        except ValidationError as error:
            if any(e["type"] != "missing" for e in error.errors(include_url=False)):
                raise AblateError(f"{place}{self._error(levels, error)}") from None

    def _error(self, levels: Mapping[str, Any], error: ValidationError) -> str:
        errors = error.errors(include_url=False)
        first = next((e for e in errors if e["type"] != "missing"), errors[0])
        if not first["loc"]:
            return str(first["msg"].removeprefix("Value error, "))
        name = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            names = ", ".join(self.schema.names)
            return f"{name}: unknown factor {_quote(name)}; known: {names}, split_seed in [fixed]"
        allowed = self.schema.by_name[name].allowed
        if first["type"] == "missing":
            return f"{name}: every row needs a level; allowed: {allowed}"
        return f"{name}: {_quote(levels.get(name))} is not allowed; allowed: {allowed}"

    def located(self, levels: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        """Return the levels with relative paths resolved from `folder`, the folder of the file that sets them."""
        paths = {f.name: f.declared.get("words", ()) for f in self.schema.factors if f.is_path}
        resolved = dict(levels)
        for name in paths.keys() & levels.keys():
            level = levels[name]
            if isinstance(level, str) and level not in ("", *paths[name]) and "\0" not in level:
                resolved[name] = os.path.realpath(folder / os.path.expanduser(level))
        return resolved


def _factors(experiment: _Experiment) -> _Factors:
    loaded = experiments.load(experiment.plugin)
    return _Factors(loaded, schema_of(loaded, experiment.plugin))


def _label(path: Path, row: _Row) -> str:
    if not isinstance(row.label, str):
        raise AblateError(f"{path}: {row.where}.label: {_quote(row.label)} is not allowed; allowed: a string")
    return row.label


def _is_published(key: str, value: object) -> bool:
    """Return whether `value` is a valid published number for `key`."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return False
    number = Decimal(value)
    if not number.is_finite() or number.is_signed() or number > (1_000_000 if key.endswith("loss") else 1):
        return False
    return number == round(number, 20)


def _published(path: Path, row: _Row) -> dict[str, Decimal]:
    place = f"{path}: {row.where}.published"
    if not isinstance(row.published, dict):
        raise AblateError(
            f"{place}: {_quote(row.published)} is not allowed; allowed: a table of {', '.join(PUBLISHED)}"
        )
    for key, value in row.published.items():
        if key not in PUBLISHED:
            raise AblateError(f"{place}: unknown key {_quote(key)}; known: {', '.join(PUBLISHED)}")
        if not _is_published(key, value):
            top = "1000000" if key.endswith("loss") else "1"
            raise AblateError(
                f"{place}.{key}: {_quote(value)} is not allowed; allowed: a number from 0 to {top}, 20 decimals at most"
            )
    return {key: Decimal(value) for key, value in row.published.items()}


def _refuse_duplicates(path: Path, rows: Sequence[_Row], conditions: Sequence[Condition]) -> None:
    first: dict[Condition, int] = {}
    for n, condition in enumerate(conditions, start=1):
        if condition in first:
            raise AblateError(
                f"{path}: rows {first[condition]} and {n} ({rows[n - 1].where}) are the same trial; remove one"
            )
        first[condition] = n


def _refuse_ambiguous_paths(grid: Grid, name: str) -> None:
    """Raise AblateError where two paths have one last name: tables show the last name alone."""
    for factor in (f for f in grid.factors.factors if f.is_path):
        qualifier = factor.declared.get("beside")  # the factor whose levels tell equal names apart
        first: dict[tuple[str, str], str] = {}
        for row in grid.rows:
            level = row[factor.name]
            other = first.setdefault((row[qualifier] if qualifier else "", short(factor.name, level)), level)
            if other != level:
                raise AblateError(
                    f"{name}: {factor.name}: {other} and {level} have the same file name, and tables show no "
                    "folders; rename one"
                )


def _hub(conditions: Sequence[Condition]) -> int:
    """Return the row (from 1) with the most rows that differ from it in one factor. The first such row wins ties."""
    neighbours: Counter[int] = Counter()
    varying = [f for f in conditions[0] if len({text(c[f]) for c in conditions}) > 1]
    for factor in varying:
        remaining_levels = [tuple(text(c[f]) for f in varying if f != factor) for c in conditions]
        counts = Counter(remaining_levels)
        for i, key in enumerate(remaining_levels):
            neighbours[i] += counts[key] - 1
    return max(range(len(conditions)), key=lambda i: (neighbours[i], -i)) + 1


def _reference(path: Path, file: _StudyFile, conditions: Sequence[Condition]) -> int:
    if file.reference is None:
        return 1 if file.leave_one_out or file.one_at_a_time else _hub(conditions)
    if not 1 <= file.reference <= len(conditions):
        raise AblateError(f"{path}: reference: no row {_quote(file.reference)}; allowed: 1 to {len(conditions)}")
    return file.reference


def _primary(experiment: Any) -> str:
    """Return the name of the experiment's primary measure: by default, its first measure."""
    return str(getattr(experiment, "primary", next(iter(experiment.measures))))


def _select_on(path: Path, file: _StudyFile, experiment: Any) -> str:
    """Return what rows are selected on: val_<measure> (by default the primary measure) or "none"."""
    allowed = [f"val_{name}" for name in experiment.measures]
    stated = file.select_on or f"val_{_primary(experiment)}"
    split, _, measure = stated.partition("_")
    if stated == NOTHING:
        return stated
    if split not in ("val", "test") or measure not in experiment.measures:
        raise AblateError(
            f"{path}: select_on: unknown measure {_quote(stated)}; allowed: {', '.join(allowed)}, or {NOTHING}"
        )
    if split == "test" and not file.select_on_test:
        raise AblateError(
            f"{path}: select_on: {stated!r} would select on the test set; allowed: {', '.join(allowed)}, {NOTHING}, or "
            "select_on_test = true, which every table then states"
        )
    return stated


def _margin(path: Path, file: _StudyFile, experiment: Any) -> float | None:
    """Return the equivalence margin in the unit of the primary measure: a fraction, where tables show percentages."""
    if file.equivalence_margin is None:
        return None
    primary = experiment.measures[_primary(experiment)]
    if primary.is_share and file.equivalence_margin >= 1:
        raise AblateError(
            f"{path}: equivalence_margin: {_quote(file.equivalence_margin)} is not allowed; allowed: a fraction below "
            f"1, such as 0.01: smaller differences in {primary.title} count as 0"
        )
    return float(file.equivalence_margin)


def settings(texts: Sequence[str]) -> dict[str, Any]:
    """Return `--set` texts ("factor=level") as a mapping. A level is parsed as TOML, otherwise kept as text.

    Raises:
        AblateError: A text has no "=".
    """
    parsed = {}
    for stated in texts:
        name, equals, value = stated.partition("=")
        if not equals:
            raise AblateError(f"--set {stated}: expected factor=level, as in dropout=0.5")
        try:
            parsed[name] = tomllib.loads(f"x = {value}")["x"]
        except (ValueError, RecursionError):
            parsed[name] = value
    return parsed


def seed_list(text: str) -> list[int]:
    """Return the seeds of `--seeds`: "5" is a count (seeds 0 to 4), "0,7" and "7," are lists. Raises AblateError."""
    try:
        numbers = [int(part) for part in text.removesuffix(",").split(",")]
    except ValueError:
        numbers = []
    seeds = numbers if "," in text else list(range(min(sum(numbers), MAX_ROWS + 1)))
    if not 0 < len(seeds) <= MAX_ROWS or min(seeds) < 0 or max(seeds) > MAX_SEED:
        raise AblateError(
            f"--seeds {text}: allowed: a number of seeds (5: seeds 0 to 4), or a list of seeds (0,7,11; only 7: 7,)"
        )
    return seeds


def _split_seed(place: str, fixed: dict[str, Any]) -> int:
    """Return `split_seed` and remove it from `fixed`: a split seed belongs to the study and is not a factor."""
    seed = fixed.pop("split_seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= MAX_SEED:
        raise AblateError(
            f"{place}split_seed: {_quote(seed)} is not allowed; allowed: a whole number from 0 to {MAX_SEED}"
        )
    return seed


def read(grid: str, changes: Mapping[str, Any] | None = None, seeds: Sequence[int] | None = None) -> Grid:
    """Return the grid of one study file, or of several merged.

    Args:
        grid: Path of a study file or name of a shipped study; several are separated by commas.
        changes: Levels of `--set`, which replace those of [fixed].
        seeds: Seeds that replace those of the study file.

    Raises:
        AblateError: A study file is missing or wrong. The message names the file, the key and the allowed values.
    """
    names = [grid] if os.path.isfile(grid) else parts(grid)  # an existing file may have commas in its name
    grids = [_read_one(part, changes, seeds) for part in names]
    study = together(stem(grid), grids) if grids[1:] else grids[0]
    _refuse_ambiguous_paths(study, grid)
    return study


def stem(grid: str) -> str:
    """Return the default name of the study that `--grid` names."""
    if grid in SETS:
        return grid
    return "+".join(Path(part).stem for part in ([grid] if os.path.isfile(grid) else parts(grid)))


def _read_one(grid: str, changes: Mapping[str, Any] | None, seeds: Sequence[int] | None) -> Grid:
    path = find(grid)
    try:
        return _read(path, changes or {}, seeds)
    except RecursionError:
        raise AblateError(f"{path}: not a valid study: lists or tables are nested too deeply") from None


def _read(path: Path, changes: Mapping[str, Any], seeds: Sequence[int] | None) -> Grid:
    file = _parse(path)
    factors = _factors(file.experiment)
    _refuse_unknown(changes, factors.schema)
    stated = factors.located(_floats(file.fixed), path.parent)
    fixed = stated | factors.located(changes, Path.cwd())
    _split_seed(f"{path}: fixed.", stated)
    factors.check(f"{path}: fixed.", stated)
    split_seed = _split_seed("--set ", fixed)
    factors.check("--set ", fixed)
    rows = _design(path, file)
    for name in changes:
        if any(name in row.levels for row in rows):
            raise AblateError(f"--set {name}: the rows of {path} set this factor; edit the rows, or set another factor")
    conditions = [
        factors.condition(f"{path}: {row.where}.", fixed | factors.located(row.levels, path.parent)) for row in rows
    ]
    if file.one_at_a_time:  # a level equal to that in [fixed] adds no row
        kept = [i for i, condition in enumerate(conditions) if i == 0 or condition != conditions[0]]
        rows, conditions = [rows[i] for i in kept], [conditions[i] for i in kept]
    _refuse_duplicates(path, rows, conditions)
    return Grid(
        stem=path.stem,
        title=file.title or path.stem,
        factors=factors.schema,
        rows=tuple(conditions),
        labels=tuple(_label(path, row) for row in rows),
        published=tuple(_published(path, row) for row in rows),
        reference=_reference(path, file, conditions),
        select_on=_select_on(path, file, factors.experiment),
        seeds=_seeds(path, file, seeds),
        split_seed=split_seed,
        settings=dict(changes),
        stated=tuple(dict.fromkeys(f for row in rows for f in row.levels)),
        published_test_images=file.published_test_images,
        margin=_margin(path, file, factors.experiment),
    )


def _refuse_unknown(changes: Mapping[str, Any], schema: Schema) -> None:
    for name in changes.keys() - {*schema.names, "split_seed"}:
        names = ", ".join(schema.names)
        raise AblateError(f"--set {name}: unknown factor {name!r}; known factors: {names}, split_seed")


def _seeds(path: Path, file: _StudyFile, requested: Sequence[int] | None) -> tuple[int, ...]:
    seeds, where = (file.seeds, f"{path}: seeds") if requested is None else (requested, "--seeds")
    if repeated := [seed for seed, count in Counter(seeds).items() if count > 1]:
        raise AblateError(f"{where}: {repeated[0]} is named twice; name each once")
    return tuple(seeds)


def starter() -> str:
    """Return a commented study file to start from."""
    loaded = _factors(_Experiment())
    declared, measures = loaded.schema.factors, loaded.experiment.measures
    factors = "".join(f"# {f.name} = {_toml(f.default)}  # {f.allowed}\n" for f in declared)
    return f"""\
# A study for ablate: state the rows, then  ablate run --grid THIS_FILE --data YOUR_IMAGES
title = "My ablation"
# reference = 1  # the row that the others are compared with; default: the row that most rows differ from in one factor
select_on = "val_accuracy"  # measure that selects a row, on validation only: {", ".join(f"val_{m}" for m in measures)}
seeds = [0]

[fixed]  # levels of all rows that do not set their own; every factor has a default:
{factors}# split_seed = 0  # for splits that the data do not define

# One design: [[rows]], each row stated ...
[[rows]]
learning_rate = 1e-4

[[rows]]
learning_rate = 1e-3
# published = {{ val_accuracy = 0.94, test_accuracy = 0.941, f1 = 0.94 }}  # printed next to yours

# ... or the full product:                [factorial]      fc_units = [2048, 4096]   dropout = [0.0, 0.25]
# ... or each level alone against [fixed]:  [one_at_a_time]  fc_units = [2048, 8192]
# ... or each component removed alone:      [leave_one_out]  dropout = {{ dropout = 0.0 }}
"""


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
