"""The one table of stages: name, where its class is, what comes before it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StageEntry:
    """A stage.

    Attributes:
        name: Its name everywhere: folder, digest, metrics, docs.
        stage: Import string of its class.
        needs: Stages whose outputs it reads.
        gpu: Whether a GPU makes it faster.
        summary: One line.
    """

    name: str
    stage: str
    needs: tuple[str, ...]
    gpu: bool
    summary: str


STAGES: tuple[StageEntry, ...] = (
    StageEntry("download", "services.download.stage:DownloadStage", (), False, "a file or an address to a source"),
    StageEntry("split", "services.split.stage:SplitStage", ("download",), True, "a source to clips of one person"),
    StageEntry("matting", "services.matting.stage:MattingStage", ("split",), True, "alpha for every frame"),
    StageEntry("crop", "services.crop.stage:CropStage", ("split", "matting"), False, "one square over the clip"),
    StageEntry("landmarks", "services.landmarks.stage:LandmarksStage", ("crop",), True, "68 points a frame"),
    StageEntry(
        "coarse_fit",
        "services.coarse_fit.stage:CoarseFitStage",
        ("landmarks",),
        False,
        "257 coefficients a frame",
    ),
    StageEntry(
        "fine_fit",
        "services.fine_fit.stage:FineFitStage",
        ("split", "matting", "crop", "landmarks"),
        False,
        "one identity and focal a clip, smooth pose and expression",
    ),
    StageEntry(
        "pack",
        "services.pack.stage:PackStage",
        ("crop", "landmarks", "coarse_fit", "fine_fit"),
        False,
        "the LMDB",
    ),
)
