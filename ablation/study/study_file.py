"""Study files: find one, read it into a Grid with the changes of a command, or start one.

Errors name the file, the key and the allowed values.
"""

import contextlib
import hashlib
import os.path
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablation import experiments
from ablation.errors import AblateError
from ablation.nearest import nearest
from ablation.study import comparisons, stated_rows, study_keys
from ablation.study.grid import Grid
from ablation.study.levels import Level, floats, short
from ablation.study.merge import parts, together
from ablation.study.shipped_studies import SETS, shipped, study_files
from ablation.study.stated_rows import StatedRow, factors_of
from ablation.study.study_keys import MAX_ROWS, MAX_SEED


@dataclass(frozen=True)
class StudyText:
    """Content of one study file: its name without folders, the sha256 of its bytes, and its text."""

    name: str
    sha256: str
    text: str


def _plugin_studies() -> dict[str, Path]:
    """Return the studies of installed experiments: name -> file. Experiments that cannot be loaded are skipped."""
    studies: dict[str, Path] = {}
    for name in set(experiments.names()) - experiments.BUILT_IN.keys():
        with contextlib.suppress(AblateError):
            folder = getattr(experiments.load(name), "studies", None)
            studies |= study_files(Path(folder)) if folder else {}
    return studies


def _no_file(grid: str) -> AblateError:
    """Return the error for a `--grid` path that is not a study file."""
    takes = f"--grid takes a study file (.toml), or the name of a shipped study: {', '.join(shipped())}"
    if os.path.isdir(grid):
        inside = [path.name for path in sorted(Path(grid).glob("*.toml"))]
        holds = f" (it contains: {', '.join(inside[:5])}{', ...' if inside[5:] else ''})" if inside else ""
        return AblateError(f"--grid {grid}: is a folder{holds}; {takes}")
    if os.path.exists(grid):
        script = f"; `ablate new --experiment {grid}:FUNCTION` writes one" if grid.endswith(".py") else ""
        return AblateError(f"--grid {grid}: is not a regular file that ends in .toml; {takes}{script}")
    hint = f"`ablate new {grid}` writes one to start from" if grid.endswith(".toml") else "a study file ends in .toml"
    place = "" if os.path.isabs(grid) else f"; current folder: {Path.cwd()}"
    return AblateError(f"--grid {grid}: no such file; {hint}{nearest(grid, files_here())}{place}")


def files_here() -> list[str]:
    """Return the names of the study files in the current folder."""
    return sorted(path.name for path in Path().glob("*.toml") if path.name != "pyproject.toml" and path.is_file())


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
        raise AblateError(
            f"--grid {grid}: no such study; shipped: {', '.join(studies)}, or the path of a .toml file"
            f"{nearest(grid, [*studies, *files_here()])}"
        )
    return studies[grid]


def settings(texts: Sequence[str], option: str = "--set") -> dict[str, Any]:
    """Return `--set` texts ("factor=level") as a mapping. A level is parsed as TOML, otherwise kept as text.

    Raises:
        AblateError: A text has no "=".
    """
    parsed = {}
    for stated in texts:
        name, equals, value = stated.partition("=")
        if not equals:
            raise AblateError(f"{option} {stated}: expected factor=level, as in dropout=0.5")
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


def _refuse_ambiguous_paths(grid: Grid, name: str) -> None:
    """Raise AblateError where two paths have one last name: tables show the last name alone."""
    for factor in (f for f in grid.factors.factors if f.is_path):
        qualifier = factor.declared.get("beside")  # the factor whose levels distinguish equal names
        first: dict[tuple[str, str], str] = {}
        for row in grid.rows:
            level = row[factor.name]
            other = first.setdefault((row[qualifier] if qualifier else "", short(factor.name, level)), level)
            if other != level:
                raise AblateError(
                    f"{name}: {factor.name}: {other} and {level} have the same file name, and tables show no "
                    "folders; rename one"
                )


def read(
    grid: str, changes: Mapping[str, Any] | None = None, seeds: Sequence[int] | None = None, in_rows: bool = False
) -> Grid:
    """Return the grid of one study file, or of several merged.

    Args:
        grid: Path of a study file or name of a shipped study; several are separated by commas.
        changes: Levels of `--set`, which replace those of [fixed].
        seeds: Seeds that replace those of the study file.
        in_rows: Whether levels of `--set` replace those of rows too; rows that are equal then become one.

    Raises:
        AblateError: A study file is missing or wrong. The message names the file, the key and the allowed values.
    """
    grids = [_read_one(part, changes, seeds, in_rows) for part in parts_of(grid)]
    study = together(stem(grid), grids) if grids[1:] else grids[0]
    _refuse_ambiguous_paths(study, grid)
    return study


def levels(grid: str, stated: Mapping[str, Any], option: str) -> dict[str, Level]:
    """Return levels as rows of the study would have them.

    Args:
        grid: Path of a study file or name of a shipped study; several are separated by commas.
        stated: Factor -> level, as `settings` returns them.
        option: Option that states the levels, for messages.

    Raises:
        AblateError: A factor is unknown, or a level is not allowed.
    """
    path = find(parts_of(grid)[0])
    factors = factors_of(path, study_keys.parse(path))
    _refuse_unknown(stated, factors.schema.names, option)
    located = factors.schema.located(stated, Path.cwd())
    factors.check(f"{option} ", located)
    return {name: factors.level(name, level) for name, level in located.items()}


def parts_of(grid: str) -> list[str]:
    """Return the study files or names in `--grid`. An existing file may have commas in its name."""
    return [grid] if os.path.isfile(grid) else parts(grid)


def texts(grid: str) -> tuple[StudyText, ...]:
    """Return the content of the study files that `--grid` names, which `read` has accepted."""
    paths = [find(part) for part in parts_of(grid)]
    contents = [(path.name, path.read_bytes()) for path in paths]
    return tuple(
        StudyText(name, hashlib.sha256(c).hexdigest(), c.decode("utf-8-sig", "replace")) for name, c in contents
    )


def stem(grid: str) -> str:
    """Return the default name of the study that `--grid` names."""
    if grid in SETS:
        return grid
    return "+".join(Path(part).stem for part in parts_of(grid))


def _read_one(grid: str, changes: Mapping[str, Any] | None, seeds: Sequence[int] | None, in_rows: bool) -> Grid:
    path = find(grid)
    try:
        return _read(path, changes or {}, seeds, in_rows)
    except RecursionError:
        raise AblateError(f"{path}: not a valid study: lists or tables are nested too deeply") from None
    except OSError as error:
        raise AblateError(f"{path}: a path in it cannot be used: {error.filename}: {error.strerror}") from None
    except ValueError as error:
        if "embedded null" not in str(error):
            raise
        raise AblateError(f"{path}: a path in it has a zero character, at which the system would cut it") from None


def _read(path: Path, changes: Mapping[str, Any], seeds: Sequence[int] | None, in_rows: bool) -> Grid:
    file = study_keys.parse(path)
    if file.is_imported:
        raise AblateError(f"{path}: its results are imported, not trained; read them with `ablate import {path}`")
    factors = factors_of(path, file)
    if file.folds and not getattr(factors.experiment, "takes_folds", False):
        raise AblateError(f"{path}: folds: this experiment splits its data itself; state seeds")
    _refuse_unknown(changes, (*factors.schema.names, "split_seed"), "--set")
    located = factors.schema.located
    stated = located(floats(file.fixed), path.parent)
    fixed = stated | located(changes, Path.cwd())
    study_keys.split_seed(f"{path}: fixed.", stated)
    factors.check(f"{path}: fixed.", stated)
    split_seed = study_keys.split_seed("--set ", fixed)
    factors.check("--set ", fixed)
    rows = stated_rows.of_design(path, file)
    of_rows = {name: fixed[name] for name in changes if any(name in row.levels for row in rows)}
    if of_rows and not in_rows:
        raise AblateError(
            f"--set {next(iter(of_rows))}: the rows of {path} set this factor; edit the rows, or set another factor"
        )
    conditions = [factors.condition(f"{path}: {row.where}.", fixed | located(row.levels, path.parent)) for row in rows]
    notes: list[str] = []
    if file.one_at_a_time:  # a level equal to that in [fixed] adds no row
        kept = [i for i, condition in enumerate(conditions) if i == 0 or condition != conditions[0]]
        notes = [_no_row(row) for i, row in enumerate(rows) if i not in kept]
        rows, conditions = [rows[i] for i in kept], [conditions[i] for i in kept]
    stated_rows.refuse_duplicates(path, rows, conditions)
    grid = Grid(
        stem=path.stem,
        title=file.title or path.stem,
        factors=factors.schema,
        rows=tuple(conditions),
        labels=tuple(stated_rows.label(path, row) for row in rows),
        published=tuple(stated_rows.published(path, row) for row in rows),
        reference=stated_rows.reference(path, file, conditions),
        select_on=study_keys.select_on(path, file, factors.experiment),
        seeds=study_keys.seeds(path, file, seeds),
        split_seed=split_seed,
        notes=tuple(notes),
        settings=dict(changes),
        stated=tuple(dict.fromkeys(f for row in rows for f in row.levels)),
        published_test_images=file.published_test_images,
        margin=study_keys.margin(path, file, factors.experiment),
        table=study_keys.table(path, file, factors.experiment),
        measures=study_keys.measures(path, file, factors.experiment),
        folds=file.folds,
        replication="folds" if file.folds else "seeds",
        experiment_keys=getattr(factors.experiment, "keys", None),
    )
    study_keys.refuse_second_best(path, grid)
    if isinstance(file.reference, str | dict):
        row = comparisons.row_number(grid, floats(file.reference), f"{path}: reference")
        grid = grid.model_copy(update={"reference": row})
    if of_rows:
        return grid.with_levels(of_rows)
    return grid.model_copy(update={"comparisons": comparisons.checked(path, file.compare, grid)})


def _no_row(row: StatedRow) -> str:
    """Return the note on a level of one_at_a_time that the first row has already."""
    factor, level = next(iter(row.levels.items()))
    return f"one_at_a_time.{factor}: {study_keys.quote(level)} is the level of the first row, and adds no row"


def _refuse_unknown(changes: Mapping[str, Any], names: Sequence[str], option: str) -> None:
    for name in changes.keys() - set(names):
        raise AblateError(
            f"{option} {name}: unknown factor {name!r}; known factors: {', '.join(names)}{nearest(name, names)}"
        )
