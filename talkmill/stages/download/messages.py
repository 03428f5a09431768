"""Request and response types of the download stage. Light: the orchestrator imports them."""

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from talkmill.artifacts.artifact import Artifact
from talkmill.stages.contract import Measurement


@dataclass(frozen=True, slots=True)
class DownloadParameters:
    """What decides the download.

    Attributes:
        max_height: The best video up to this height is taken, in pixels.
    """

    max_height: Annotated[int, Field(ge=64, le=8640)] = 1080


@dataclass(frozen=True, slots=True)
class DownloadInputs:
    """A source.

    Attributes:
        uri: An http(s) address, the path of a local file, or the file name of an upload.
        sha256: Content of a local file; empty for an address.
        size_bytes: Length of a local file; 0 for an address.
        upload: A file that is in the store already; None for everything else.
        parameters: What decides the download.
    """

    uri: Annotated[str, Field(min_length=1, max_length=4096)]
    sha256: str = ""
    size_bytes: int = 0
    upload: Artifact | None = None
    parameters: DownloadParameters = DownloadParameters()


@dataclass(frozen=True, slots=True)
class DownloadOutputs:
    """A source file.

    Attributes:
        source: The bytes as they came.
        provenance: `uri`, and where known `title`, `uploader`, `licence`, `page`, `format`, `extractor`;
            addresses as they are shown.
        measurements: What was seen.
        notes: What the user should know.
    """

    source: Artifact
    provenance: dict[str, str] = field(default_factory=dict)
    measurements: dict[str, Measurement] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
