"""The clips of a set with the files that they were packed from, as `-meta` names them."""

from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.local import LocalStore
from talkmill.artifacts.store import CorruptArtifactError, MissingArtifactError
from talkmill.dataset.reader import Dataset
from talkmill.pipeline.folders import WORK_BUCKET, open_store
from talkmill.pipeline.kinds import Kind
from talkmill.pipeline.report import MadeFrom
from talkmill.region import Region

_MADE_FROM = TypeAdapter(dict[Kind, MadeFrom])
_REGION = TypeAdapter(Region)
_REGION_OR_NONE = TypeAdapter(Region | None)


class NoWorkError(ValueError):
    """The set has no `work` folder beside it."""


class ClipGoneError(ValueError):
    """The files that a clip was packed from are not there, or not as they were; the message calls the clip `it`."""


@dataclass(frozen=True, slots=True)
class FinishedClip:
    """A clip of a set.

    Attributes:
        name: Its name.
        split: `train` or `test`.
        fingerprint: Changes with anything that the clip was packed from.
        rate: Frames a second.
        size: Side of the crop in pixels.
        measurements: Stage name to what it measured.
        person: Who is seen; None where nobody said.
        made_from: Kind to file, of those that were made.
        meta: All that the set says of it: source, licence, models, notes.
    """

    name: str
    split: str
    fingerprint: str
    rate: Fraction
    size: int
    measurements: dict[str, dict[str, Any]]
    person: str | None
    made_from: dict[Kind, Artifact]
    meta: dict[str, Any]

    @property
    def basis(self) -> str:
        """Id of the morphable model of `fit`.

        Raises:
            ClipGoneError: No head was fitted.
        """
        if self.meta["morphable_basis"] is None:
            raise ClipGoneError("it was made without fit: it has no morphable model")
        return str(self.meta["morphable_basis"])

    @property
    def alpha_region(self) -> Region:
        """The part of the upright frame that `alpha` is for.

        Raises:
            ClipGoneError: There is no alpha.
        """
        if self.meta["alpha_region"] is None:
            raise ClipGoneError("it was made without alpha")
        return _REGION.validate_python(self.meta["alpha_region"])


class WorkFolder:
    """The `work` folder of a set's run."""

    def __init__(self, folder: Path, store: LocalStore) -> None:
        self.folder, self._store = folder, store

    @classmethod
    def of(cls, database: Path) -> "WorkFolder":
        """Find it.

        Args:
            database: The folder of `data.mdb`, which is RUN/lmdb/SIZE.

        Raises:
            NoWorkError: There is none.
        """
        run = database.resolve().parent.parent
        if not (run / "work").is_dir():
            raise NoWorkError(
                f"{run} holds a data set and no `work` folder, as `talkmill fetch` leaves it. {database} can be "
                "trained on as it is; the other folders of the layout are written from what the stages made. To have "
                f"them, run the same sources with `talkmill run ... --out {run}`, or fetch a run that was submitted "
                "`--for` the layout, then export again. Nothing was written"
            )
        return cls(run, open_store(run))

    def check(self, clip: FinishedClip, kinds: Collection[Kind]) -> None:
        """Make sure that files of a clip are there, without reading the large ones.

        Args:
            clip: The clip.
            kinds: What is wanted of `made_from`, and is there (see `require`).

        Raises:
            ClipGoneError: One is not.
        """
        missing = sorted(kind for kind in kinds if not self._store.has(clip.made_from[kind]))
        if missing:
            raise ClipGoneError(
                f"its {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not in "
                f"{self.folder / 'work'} any more; run its source again with --out {self.folder}, then export again"
            )

    def files(self, clip: FinishedClip, kinds: Collection[Kind] | None = None) -> dict[str, Path]:
        """Return a clip's files, every byte checked.

        Args:
            clip: The clip.
            kinds: What is wanted of `made_from`, and is there (see `require`); None for all.

        Raises:
            ClipGoneError: One is missing or damaged.
        """
        wanted = clip.made_from if kinds is None else kinds
        try:
            return {kind: self._store.fetch(clip.made_from[kind]) for kind in wanted}
        except MissingArtifactError as error:
            raise ClipGoneError(f"{error}; run its source again, then export again") from error
        except CorruptArtifactError as error:
            path = self.folder / "work" / error.artifact.key
            raise ClipGoneError(
                f"{path} is damaged; delete {path.parent}, run its source again with --out {self.folder}, "
                "then export again"
            ) from error

    def require(self, clip: FinishedClip, kinds: Collection[Kind], layout: str, of_runs: bool = True) -> None:
        """Make sure that a clip was made with files of some kinds.

        Args:
            clip: The clip.
            kinds: What is wanted.
            layout: What it is wanted for.
            of_runs: Whether `talkmill run --for` knows the layout; else a run for everything has all that it needs.

        Raises:
            ClipGoneError: It was made without; the message says how to have it.
        """
        missing = sorted(kind for kind in kinds if kind not in clip.made_from)
        if not missing:
            return
        told = f"it was made without {', '.join(missing)}, which the layout {layout} needs"
        if not all(kind in clip.meta.get("absent", {}) for kind in missing):
            # Its stage was run, by a model that has no such thing.
            raise ClipGoneError(f"{told}; run its source again with --out {self.folder} and the default models")
        targets = f"--for {layout} " if of_runs else ""
        raise ClipGoneError(
            f"{told}; run its source again with `talkmill run ... {targets}--out {self.folder}`, which keeps "
            "what is there and makes what is missing, then export again"
        )


def finished_clip(dataset: Dataset, name: str) -> FinishedClip:
    """Read what a set says of a clip.

    Args:
        dataset: The set.
        name: The clip.

    Raises:
        DatasetError: The set has no such clip, or it is not whole.
        ClipGoneError: The set does not say what the clip was packed from.
    """
    entry, meta = dataset.entry(name), dataset.meta(name)
    try:
        made_from = _MADE_FROM.validate_python(meta["made_from"])
        _REGION_OR_NONE.validate_python(meta["alpha_region"])
    except (KeyError, ValidationError) as error:
        raise ClipGoneError(
            "it was packed by talkmill 0.1, which did not note all that it was packed from; run its source again "
            "with the same --out, then export again"
        ) from error
    return FinishedClip(
        name,
        entry.split,
        entry.fingerprint,
        Fraction(meta["rate"]),
        dataset.size,
        meta["measurements"],
        meta.get("person"),
        {
            kind: Artifact(WORK_BUCKET, one.key, one.sha256, one.size_bytes, "application/octet-stream")
            for kind, one in made_from.items()
        },
        meta,
    )
