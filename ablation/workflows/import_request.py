"""Request to import results: the keys of [import], and the study file that states them."""

from dataclasses import dataclass
from pathlib import Path

from ablation.errors import AblateError
from ablation.study import study_file, study_keys
from ablation.study.import_keys import ImportKeys
from ablation.study.levels import floats
from ablation.study.study_keys import StudyKeys


@dataclass(frozen=True)
class Import:
    """Results to import. `keys`: keys of the study file, with [import]. `path`: the study file, for messages."""

    keys: StudyKeys
    path: Path
    name: str
    workspace: Path

    @property
    def import_keys(self) -> ImportKeys:
        """Keys of [import]."""
        assert self.keys.imported is not None
        keys = self.keys.imported
        return keys.model_copy(update={"where": floats(keys.where), "failed": floats(keys.failed)})

    @property
    def where(self) -> str:
        """Beginning of an error message about [import]."""
        return f"{self.path}: import"


def of_study(grid: str, name: str, workspace: Path) -> Import | None:
    """Return the results that a study to train imports; None where its file has no [import].

    Raises AblateError where several studies run together and one has [import].
    """
    names = study_file.parts_of(grid)
    for path in map(study_file.find, names):
        keys = study_keys.parse(path)
        if keys.imported is not None and names[1:]:
            raise AblateError(f"{path}: import: is not allowed for studies that run together; run this one alone")
        if keys.imported is not None:
            return Import(keys, path, name, workspace)
    return None
