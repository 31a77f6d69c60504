"""Files of the selected row that [experiment] artifacts of a study file names, which are sent to MLflow."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ablation.analysis.study_analysis import StudyAnalysis
from ablation.model.phrases import plural
from ablation.store.workspace import ALWAYS_KEPT, Workspace
from ablation.study.grid import Trial
from ablation.trackers.content import Artifact

MOST = 100  # files of a training
LARGEST = 100 << 20  # bytes of the files of a training
OWN = ALWAYS_KEPT[1]  # written for the child, not by it


def of_selected(
    workspace: Workspace, study: StudyAnalysis, say: Callable[[str], None]
) -> dict[Trial, tuple[Artifact, ...]]:
    """Return the files of each trial of the selected row. `say`: receives notes on files that are not sent."""
    keys = study.record.grid.experiment_keys
    if not keys or not keys.artifacts or not study.selected:
        return {}
    files = {}
    for trial, _ in study.finished(study.selected):
        child = workspace.training(study.record.training_key(trial)).child
        folder = child / getattr(study.record.experiment, "outputs_in", "")
        where = f"row {trial.row}, seed {trial.seed}"
        artifacts = tuple(_matching(folder, keys.artifacts, where, say))
        size = sum(artifact.size for artifact in artifacts)
        if len(artifacts) > MOST or size > LARGEST:
            say(
                f"note: artifacts: {where} has {plural(len(artifacts), 'file')} of {size / 2**20:,.1f} MiB; none is "
                f"sent, since {MOST} files of {LARGEST >> 20} MiB in all are the most; narrow the patterns"
            )
        else:
            files[trial] = artifacts
    return files


def _matching(folder: Path, patterns: Sequence[str], where: str, say: Callable[[str], None]) -> Iterator[Artifact]:
    """Yield each file that a pattern matches once, without files that a link leads to from outside the folder."""
    paths: dict[Path, None] = {}
    for pattern in patterns:
        matches = [path for path in sorted(folder.glob(pattern)) if path.is_file() and path.name != OWN]
        if not matches:
            say(f"note: artifacts: {pattern!r} matches no file of {where} in {folder}")
        paths |= dict.fromkeys(matches)
    inside = folder.resolve()
    for path in paths:
        name = path.relative_to(folder).as_posix()
        if path.resolve().is_relative_to(inside):
            stat = path.stat()
            yield Artifact(name, path.absolute(), stat.st_size, stat.st_mtime_ns)
        else:
            say(f"note: artifacts: {name} of {where} is not sent: a link leads out of the training's folder")
