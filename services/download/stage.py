"""Download: a local file, the address of a file, or a page that yt-dlp knows, to one source with its provenance."""

import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from services.download.messages import DownloadInputs, DownloadOutputs, is_address
from services.download.web import fetch_url
from talkmill.artifacts.manifest import ModelVersion
from talkmill.stage.contract import StageContext
from talkmill.stage.errors import NotAVideoError


class DownloadStage:
    """Gets one source."""

    name = "download"
    version = "1"
    outputs_type = DownloadOutputs
    models: tuple[ModelVersion, ...] = ()
    execution_provider = ""

    def load(self) -> None:
        """Nothing to load."""

    def run(self, inputs: DownloadInputs, context: StageContext) -> DownloadOutputs:
        """Get a source.

        Raises:
            NotAVideoError: The file is not there or is empty.
            DownloadRefusedError: The server does not give the file.
            DownloadFailedError: The network failed.
        """
        if is_address(inputs.uri):
            path, provenance = fetch_url(inputs.uri, inputs.parameters.max_height, context)
        else:
            path, provenance = _link(Path(inputs.uri), context.scratch), {"uri": Path(inputs.uri).name}
        size = path.stat().st_size
        if not size:
            raise NotAVideoError(f"{Path(urlsplit(inputs.uri).path).name} is empty")
        context.advance(size, size, "bytes")
        artifact = context.publish(path, f"source{path.suffix.lower()}", "application/octet-stream")
        return DownloadOutputs(artifact, provenance, {"size_bytes": size})


def _link(source: Path, scratch: Path) -> Path:
    """Bring a local file into the work folder: a hard link where the file system allows it, else a copy."""
    target = scratch / f"source{source.suffix}"
    try:
        os.link(source.resolve(strict=True), target)
    except FileNotFoundError:
        raise NotAVideoError(f"{source} is not there") from None
    except OSError:
        shutil.copyfile(source, target)
    return target
