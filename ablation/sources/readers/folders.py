"""Folders of configuration and metrics: a folder a run, laid out as a preset says."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ablation.errors import AblateError
from ablation.sources.readers.collector import Collector
from ablation.sources.readers.objects import is_course
from ablation.sources.readers.presets import PRESETS
from ablation.sources.readers.presets.job import Job, Preset, Results, as_settings
from ablation.sources.readers.tree import Tree
from ablation.sources.runs import DONE, FAILED, FOLDER, OWN, REASON, SETTING, STATUS, TAG, Runs

KIND = "folders"
LINE = "line"  # position of a run in its file, where the file of a folder holds several
RESERVED = (*OWN, LINE)


def read(address: str) -> Runs:
    """Return the runs under a folder.

    Args:
        address: PRESET:PATH, or PATH, whose files then identify the preset.

    Raises AblateError where the preset is unknown, or no folder under the path has its files.
    """
    name, path = _parted(address)
    tree = Tree(path)
    collector, preset, courses = Collector(), PRESETS[name], set()
    for job in jobs(tree, preset):
        for fields, results in _runs(job, preset):
            collector.add(fields, {_free(name): curve for name, curve in results.curves.items()})
            courses |= {field for field in results.fields if is_course(field, results.fields[field])}
    collector.unroll(sorted(courses))
    if not collector.count:
        other = detect(path)
        hint = f"; its files are those of the preset {other}" if other else ""
        raise AblateError(f"{address}: no folder of a run of {name} (it has {' or '.join(preset.marks)}){hint}")
    return Runs(address, name, collector.frame(), collector.curves(), True, tree.notes, tree.files, tree.root)


def detect(path: str | Path) -> str | None:
    """Return the name of the preset whose files are under a folder; of several, the one with the most runs."""
    tree = Tree(Path(os.path.expanduser(path)))
    names = [tree.name(p) for p in tree.walk()]
    counts = Counter({name: len({preset.folder(n) for n in names} - {None}) for name, preset in PRESETS.items()})
    name, count = counts.most_common(1)[0]  # of equal counts, the first
    return name if count else None


def _parted(address: str) -> tuple[str, Path]:
    """Return the preset and the folder of an address."""
    text = address.removeprefix(f"{KIND}:")
    name, sign, place = text.partition(":")
    path = Path(os.path.expanduser(place if name in PRESETS and sign else text))
    allowed = f"allowed: folders:PRESET:PATH with {', '.join(PRESETS)}"
    if not path.is_dir():
        raise AblateError(f"{address}: no such folder; {allowed}")
    preset = name if name in PRESETS and sign else detect(path)
    if preset is None:
        raise AblateError(f"{address}: no files of a preset under the folder; {allowed}")
    return preset, path


def jobs(tree: Tree, preset: Preset) -> list[Job]:
    """Return the folder of each run, with the files that belong to no run below it."""
    paths = {tree.name(path): path for path in tree.walk()}
    folders: dict[str, dict[str, Path]] = {folder: {} for name in paths if (folder := preset.folder(name)) is not None}
    for name, path in paths.items():
        owner = next((str(p) for p in PurePosixPath(name).parents if str(p) in folders), None)
        if owner is not None:
            folders[owner][str(PurePosixPath(name).relative_to(owner))] = path
    all_jobs = [Job(tree, folder, files) for folder, files in folders.items()]
    pattern = preset.choose(all_jobs)
    return [replace(job, metrics=pattern) for job in all_jobs]


def _runs(job: Job, preset: Preset) -> Iterator[tuple[dict[str, object], Results]]:
    """Yield the fields and the results of the runs of a folder: one, or one a line of its file."""
    fields: dict[str, object] = {FOLDER: job.folder}
    try:
        fields |= as_settings(preset.settings(job))
        results = preset.results(job)
    except AblateError as error:
        job.tree.remark("Not read", str(error))
        results = Results(state={STATUS: FAILED, REASON: str(error)})
    if not results.lines:
        yield _settled(fields, results), results
    for number, line in enumerate(results.lines, start=1):
        yield _settled(fields | {LINE: number}, Results(fields=line, state=results.state)), Results()


def _free(name: str) -> str:
    """Return the name of a result, which differs from the names of a run's own fields and settings."""
    return f"source.{name}" if name in RESERVED or name.startswith((SETTING, TAG)) else name


def _settled(fields: Mapping[str, object], results: Results) -> dict[str, object]:
    """Return the fields with the results and the status; a run that ended without a result has failed."""
    values = {_free(name): value for name, value in results.fields.items()}
    state = {STATUS: DONE, **results.state}
    if state[STATUS] == DONE and not values and not results.curves:
        state |= {STATUS: FAILED, REASON: "no results"}
    return {**fields, **values, **state}
