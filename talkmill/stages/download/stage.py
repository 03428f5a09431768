"""Download: gets one source, with its provenance, from a local file, a URL, or what yt-dlp supports."""

import os
import shutil
from pathlib import Path

from talkmill.address import is_address, is_readable, shown_address, without_secrets
from talkmill.artifacts.manifest import ModelVersion
from talkmill.stages.contract import StageContext
from talkmill.stages.download.messages import DownloadInputs, DownloadOutputs
from talkmill.stages.download.web import Web, plain_suffix
from talkmill.stages.errors import CorruptInputError, DownloadRefusedError, InputMissingError, NotAVideoError
from talkmill.text import clean_text, path_of


class DownloadStage:
    """Gets one source."""

    name = "download"
    version = "1"
    outputs_type = DownloadOutputs
    keeps_result = True
    models: tuple[ModelVersion, ...] = ()
    execution_provider = ""
    arithmetic = ""

    def __init__(self, web: Web | None = None, files: bool = True) -> None:
        """Create the stage.

        Args:
            web: The way to the web.
            files: Whether paths of local files are taken: on the user's own machine, never for a stranger.
        """
        self._web = web or Web()
        self._files = files

    def load(self) -> None:
        """Nothing to load."""

    def run(self, inputs: DownloadInputs, context: StageContext) -> DownloadOutputs:
        """Get a source.

        Raises:
            NotAVideoError: The file is empty.
            InputMissingError: The file is not there any more.
            CorruptInputError: The file is not the one that was named.
            DownloadRefusedError: The server does not give the file.
            DownloadFailedError: The network failed.
        """
        if inputs.upload is not None:
            return _uploaded(inputs, context)
        if is_address(inputs.uri):
            if not is_readable(inputs.uri):
                raise DownloadRefusedError(f"{shown_address(inputs.uri)} is not an address that can be read")
            path, provenance, notes, _ = self._web.fetch(inputs.uri, inputs.parameters.max_height, context)
        elif self._files:
            file = path_of(inputs.uri)
            path, provenance, notes = _link(file, context.scratch), {"uri": without_secrets(clean_text(file.name))}, ()
        else:
            raise DownloadRefusedError(f"{inputs.uri[:200]} is not an http(s) address; upload files instead")
        size = path.stat().st_size
        if not size and is_address(inputs.uri):
            raise DownloadRefusedError(f"{shown_address(inputs.uri)} gives an empty file")
        if not size:
            raise NotAVideoError(f"{path_of(inputs.uri).name} is empty")
        context.advance(size, size, "bytes")
        artifact = context.publish(path, f"source{plain_suffix(path)}", "application/octet-stream")
        if inputs.sha256 and artifact.sha256 != inputs.sha256:
            raise CorruptInputError(f"{path_of(inputs.uri).name} has changed since the run looked at it")
        return DownloadOutputs(artifact, provenance, {"size_bytes": size}, notes)


def _uploaded(inputs: DownloadInputs, context: StageContext) -> DownloadOutputs:
    """Take an upload as the source; its bytes were checked when they were fetched."""
    assert inputs.upload is not None  # noqa: S101 - the caller looked
    size = context.path(inputs.upload).stat().st_size
    if not size:
        raise NotAVideoError(f"{inputs.uri} is empty")
    context.advance(size, size, "bytes")
    return DownloadOutputs(inputs.upload, {"uri": inputs.uri}, {"size_bytes": size})


def _link(source: Path, scratch: Path) -> Path:
    """Bring a local file into the work folder: a hard link where the file system allows it, else a copy."""
    target = scratch / f"source{plain_suffix(source)}"
    try:
        os.link(source.resolve(strict=True), target)
    except FileNotFoundError:
        raise InputMissingError(f"{source} is not there") from None
    except OSError:
        shutil.copyfile(source, target)
    return target
