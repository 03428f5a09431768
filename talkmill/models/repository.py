"""The folder of models: fetches, checks, builds and finds them."""

import json
import shutil
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from talkmill.artifacts.artifact import sha256_of
from talkmill.models.catalogue import ModelFile, Role, find
from talkmill.models.damage import DamagedModelError
from talkmill.models.installed import RECORD_NAME, InstalledModel, Record, find_installed, install
from talkmill.models.sources import SourceError, obtain


class ModelError(RuntimeError):
    """A model is missing, or is not what the catalogue says."""


class ModelRepository:
    """Fetched models, one folder each."""

    def __init__(self, folder: Path, mirror: Path | None, announce: Callable[[str], None] = lambda line: None) -> None:
        """Create a repository.

        Args:
            folder: Where models lie.
            mirror: A folder of published files that is tried first, or None.
            announce: Called with a line for each model, and for each source of a file, before it is tried.
        """
        self.folder = folder
        self._mirror = mirror
        self._announce = announce

    def installed(self, model_id: str) -> InstalledModel | None:
        """Return a model that was fetched, or None. A damaged one counts as missing, and is told of.

        Raises:
            ModelError: It is damaged and made out of files that only the user has.
        """
        entry = find(model_id)
        try:
            return find_installed(self.folder, entry)
        except DamagedModelError as error:
            if entry.import_by is not None:
                raise ModelError(str(error)) from error
            self._announce(str(error))
            return None

    def ensure(self, model_id: str, *roles: Role) -> InstalledModel:
        """Return a model, fetching it first where its licence allows any use.

        Raises:
            UnknownModelError: The catalogue has no such model for one of the roles.
            ModelError: It cannot be had.
        """
        find(model_id, *roles)
        return self.obtain(model_id)[0]

    def obtain(self, model_id: str, accept_licence: bool = False) -> tuple[InstalledModel, bool]:
        """Return a model, and whether it had to be fetched.

        Args:
            model_id: A model of the catalogue.
            accept_licence: Fetch it although its licence does not allow any use.

        Raises:
            UnknownModelError: The catalogue has no such model.
            ModelError: It cannot be had, or its licence was not accepted.
        """
        entry = find(model_id)
        model = self.installed(model_id)
        if model is not None:
            return model, False
        if entry.import_by is None and not entry.permissive and not accept_licence:
            raise ModelError(
                f"model {model_id} has the licence {entry.licence} and is fetched only when you accept it: "
                f"`talkmill models fetch {model_id} --accept-licence`"
            )
        return self.fetch(model_id), True

    def fetch(self, model_id: str) -> InstalledModel:
        """Get a model's files, check every byte, and build what the pipeline loads.

        Raises:
            UnknownModelError: The catalogue has no such model.
            ModelError: No source gave a file with the right hash.
        """
        entry = find(model_id)
        if entry.import_by is not None:
            raise ModelError(
                f"model {entry.id} is made out of files that you bring (licence {entry.licence}): `{entry.import_by}`"
            )
        self._announce(f"{entry.id}: {entry.title}. Licence {entry.licence}. Training data: {entry.training_data}.")

        def write(target: Path) -> dict[str, str]:
            with tempfile.TemporaryDirectory() as archives:
                sources = {file.name: self._fetch_file(file, target.parent, Path(archives)) for file in entry.files}
            if entry.build is not None:
                # onnx takes a while to load, and most runs build nothing.
                from talkmill.models.export.builders import BUILDERS

                BUILDERS[entry.build](target.parent, target)
                for file in entry.files:
                    (target.parent / file.name).unlink()
            return sources

        return self.adopt(model_id, write)

    def adopt(self, model_id: str, write: Callable[[Path], dict[str, str]]) -> InstalledModel:
        """Install what a function makes; all of it or nothing.

        Args:
            model_id: A model of the catalogue.
            write: Writes the file that the pipeline loads, and returns name and sha256 of what it was made of.

        Raises:
            ModelError: It cannot be stored.
        """
        entry = find(model_id)
        part = self.folder / f".{model_id}-{uuid.uuid4().hex}"
        try:
            part.mkdir(parents=True)
            sources = write(part / entry.loads)
            record = Record(model_id, entry.loads, sha256_of(part / entry.loads), sources)
            (part / RECORD_NAME).write_text(json.dumps(asdict(record), indent=1))
            install(part, self.folder / model_id)
        except OSError as error:
            raise ModelError(f"model {model_id} cannot be stored in {self.folder}: {error}") from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
        model = self.installed(model_id)
        assert model is not None  # noqa: S101 - just written
        return model

    def verify(self, model_id: str) -> None:
        """Read every byte of a fetched model again.

        Raises:
            ModelError: It is missing or has changed since it was fetched.
        """
        try:
            model = find_installed(self.folder, find(model_id))
        except DamagedModelError as error:
            raise ModelError(str(error)) from error
        if model is None:
            raise ModelError(f"model {model_id} is not fetched; run `talkmill models fetch {model_id}`")

    def _fetch_file(self, file: ModelFile, folder: Path, archives: Path) -> str:
        failures = []
        for source in file.sources:
            target = folder / file.name
            if self._mirror is not None or not source.startswith("mirror:"):
                self._announce(f"{file.name} from {source.partition('!')[0]}")
            try:
                obtain(source, file.size_bytes, target, self._mirror, archives)
            except SourceError as error:
                failures.append(f"{source}: {error}")
                continue
            found = sha256_of(target)
            if found == file.sha256:
                return found
            failures.append(f"{source}: sha256 {found[:12]}... is not {file.sha256[:12]}...")
        raise ModelError(f"{file.name} could not be had. " + ". ".join(failures))
