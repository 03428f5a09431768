"""The graph: every stage, what it reads, and what comes after it. All that walks the pipeline walks this table."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from talkmill.artifacts.artifact import Artifact
from talkmill.pipeline.naming import NamedSource
from talkmill.region import Region
from talkmill.stages.coarse_fit.messages import CoarseFitInputs, CoarseFitOutputs, CoarseFitParameters
from talkmill.stages.crop.messages import CropInputs, CropOutputs, CropParameters
from talkmill.stages.download.messages import DownloadInputs, DownloadOutputs, DownloadParameters
from talkmill.stages.fine_fit.messages import FineFitInputs, FineFitOutputs, FineFitParameters
from talkmill.stages.landmarks.messages import LandmarksInputs, LandmarksOutputs, LandmarksParameters
from talkmill.stages.matting.messages import MattingInputs, MattingOutputs, MattingParameters
from talkmill.stages.pack.messages import PackInputs, PackOutputs, PackParameters
from talkmill.stages.split.messages import CutClip, SplitInputs, SplitOutputs, SplitParameters

# What a stage is run for: each source, each clip of it, or the run as a whole.
Scope = Literal["source", "clip", "run"]
# Coarse methods that look at the picture; the landmark fit is spared the transfer.
METHODS_WITH_FRAMES = ("deep3d-resnet50",)


@dataclass(frozen=True, slots=True)
class RunParameters:
    """The parameters of every stage of a run; a field a stage, by its name."""

    download: DownloadParameters = DownloadParameters()
    split: SplitParameters = SplitParameters()
    matting: MattingParameters = MattingParameters()
    crop: CropParameters = CropParameters()
    landmarks: LandmarksParameters = LandmarksParameters()
    coarse_fit: CoarseFitParameters = CoarseFitParameters()
    fine_fit: FineFitParameters = FineFitParameters()


@dataclass(slots=True)
class SourceProgress:
    """What is known of a source so far.

    Attributes:
        source: The source.
        outputs: Stage name to outputs.
    """

    source: NamedSource
    outputs: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class ClipProgress:
    """What is known of a clip so far.

    Attributes:
        clip: The clip.
        outputs: Stage name to outputs; those of its source's stages may be among them.
    """

    clip: CutClip
    outputs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunProgress:
    """What a run has come to when its clips have ended.

    Attributes:
        clips: List of the clips that go into the set, JSON Lines.
        removed: Clips of earlier runs that leave it.
    """

    clips: Artifact
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """A stage of the pipeline.

    Attributes:
        name: Its name everywhere: rooms, proto, digest, metrics, docs.
        scope: What it is run for; stages of one scope run in the order of the table.
        needs: Stages whose outputs it reads.
        inputs: Type of its request.
        outputs: Type of what it gives.
        request: Makes the request out of the progress of its scope and the parameters of the run.
        gpu: Whether a GPU makes it faster.
        share: Of the time that a clip takes on a CPU (docs/measurements.md); 0 outside the scope `clip`.
        summary: What it makes, in a line.
    """

    name: str
    scope: Scope
    needs: tuple[str, ...]
    inputs: type[Any]
    outputs: type[Any]
    request: Callable[[Any, RunParameters], Any]
    gpu: bool
    share: float
    summary: str


def _download(progress: SourceProgress, parameters: RunParameters) -> DownloadInputs:
    source = progress.source
    if source.upload is not None:
        return DownloadInputs(source.original_name, upload=source.upload, parameters=parameters.download)
    return DownloadInputs(source.uri, source.sha256, source.size_bytes, parameters=parameters.download)


def _split(progress: SourceProgress, parameters: RunParameters) -> SplitInputs:
    return SplitInputs(progress.outputs["download"].source, parameters.split)


def _matting(progress: ClipProgress, parameters: RunParameters) -> MattingInputs:
    clip = progress.clip
    margin = parameters.crop.increase_area
    return MattingInputs(clip.video, clip.frame_table, clip.face_track, clip.rate, margin, parameters.matting)


def _crop(progress: ClipProgress, parameters: RunParameters) -> CropInputs:
    clip, matting = progress.clip, progress.outputs["matting"]
    return CropInputs(
        clip.video, clip.frame_table, matting.alpha, matting.region, clip.face_track, clip.rate, parameters.crop
    )


def _landmarks(progress: ClipProgress, parameters: RunParameters) -> LandmarksInputs:
    crop = progress.outputs["crop"]
    return LandmarksInputs(crop.frames, crop.geometry, progress.clip.rate, parameters.landmarks)


def _coarse_fit(progress: ClipProgress, parameters: RunParameters) -> CoarseFitInputs:
    frames = progress.outputs["crop"].frames if parameters.coarse_fit.method in METHODS_WITH_FRAMES else None
    landmarks = progress.outputs["landmarks"].landmarks
    return CoarseFitInputs(landmarks, parameters.crop.size, parameters.coarse_fit, frames)


def _fine_fit(progress: ClipProgress, parameters: RunParameters) -> FineFitInputs:
    clip, done = progress.clip, progress.outputs
    return FineFitInputs(
        done["landmarks"].landmarks,
        done["crop"].frames,
        clip.video,
        clip.frame_table,
        done["matting"].alpha,
        done["matting"].region,
        done["crop"].geometry,
        parameters.crop.background_color,
        parameters.crop.size,
        clip.rate,
        parameters.fine_fit,
        done["landmarks"].face_mesh,
    )


def _pack(progress: RunProgress, parameters: RunParameters) -> PackInputs:
    return PackInputs(progress.clips, progress.removed, PackParameters(parameters.crop.size))


GRAPH: tuple[Node, ...] = (
    Node(
        "download", "source", (), DownloadInputs, DownloadOutputs, _download,
        gpu=False, share=0.0, summary="a file or an address to a source",
    ),
    Node(
        "split", "source", ("download",), SplitInputs, SplitOutputs, _split,
        gpu=True, share=0.0, summary="a source to clips of one person",
    ),
    Node(
        "matting", "clip", ("split",), MattingInputs, MattingOutputs, _matting,
        gpu=True, share=0.58, summary="alpha for every frame",
    ),
    Node(
        "crop", "clip", ("split", "matting"), CropInputs, CropOutputs, _crop,
        gpu=False, share=0.15, summary="one square over the clip",
    ),
    Node(
        "landmarks", "clip", ("crop",), LandmarksInputs, LandmarksOutputs, _landmarks,
        gpu=True, share=0.1, summary="68 points a frame",
    ),
    Node(
        "coarse_fit", "clip", ("crop", "landmarks"), CoarseFitInputs, CoarseFitOutputs, _coarse_fit,
        gpu=False, share=0.01, summary="257 coefficients a frame",
    ),
    Node(
        "fine_fit", "clip", ("split", "matting", "crop", "landmarks"), FineFitInputs, FineFitOutputs, _fine_fit,
        gpu=False, share=0.16, summary="one identity and focal a clip, smooth pose and expression",
    ),
    Node(
        "pack", "run", ("crop", "landmarks", "coarse_fit", "fine_fit"), PackInputs, PackOutputs, _pack,
        gpu=False, share=0.0, summary="the LMDB",
    ),
)  # fmt: skip

_BY_NAME = {node.name: node for node in GRAPH}


def node_of(name: str) -> Node:
    """Return a stage by its name.

    Raises:
        KeyError: There is none.
    """
    return _BY_NAME[name]


def nodes_of(scope: Scope) -> tuple[Node, ...]:
    """Return the stages of a scope, in order."""
    return tuple(node for node in GRAPH if node.scope == scope)


def names_of(*scopes: Scope) -> tuple[str, ...]:
    """Return the names of the stages of some scopes, in order; of all stages where none is named."""
    return tuple(node.name for node in GRAPH if not scopes or node.scope in scopes)


def after(node: Node) -> Node | None:
    """Return the next stage of the same scope; None after the last."""
    same = nodes_of(node.scope)
    position = same.index(node) + 1
    return same[position] if position < len(same) else None


# The first stage of a source, the stage whose outputs are clips, and the stage that writes the set.
FIRST, CLIPS_FROM, PACK = nodes_of("source")[0].name, nodes_of("source")[-1].name, nodes_of("run")[0].name


def clip_artifacts(progress: ClipProgress) -> dict[str, Artifact]:
    """Return every artifact that a finished clip is shown or exported from."""
    clip, matting = progress.clip, progress.outputs["matting"]
    crop: CropOutputs = progress.outputs["crop"]
    landmarks: LandmarksOutputs = progress.outputs["landmarks"]
    face_mesh = {} if landmarks.face_mesh is None else {"face_mesh": landmarks.face_mesh}
    return (
        packed_artifacts(progress)
        | face_mesh
        | {
            "video": clip.video,
            "frame_table": clip.frame_table,
            "audio": clip.audio,
            "face_track": clip.face_track,
            "alpha": matting.alpha,
            "geometry": crop.geometry,
        }
    )


def packed_artifacts(progress: ClipProgress) -> dict[str, Any]:
    """Return what pack reads of a finished clip."""
    crop: CropOutputs = progress.outputs["crop"]
    landmarks: LandmarksOutputs = progress.outputs["landmarks"]
    coarse: CoarseFitOutputs = progress.outputs["coarse_fit"]
    fine: FineFitOutputs = progress.outputs["fine_fit"]
    return {
        "frames": crop.frames,
        "landmarks": landmarks.landmarks,
        "coefficients": coarse.coefficients,
        "fit": fine.fit,
    }


def provenance_of(progress: SourceProgress) -> dict[str, str]:
    """Return where a source comes from."""
    found: DownloadOutputs = progress.outputs["download"]
    return found.provenance


def preview_of(progress: ClipProgress) -> Artifact:
    """Return the picture that shows a finished clip."""
    fit: FineFitOutputs = progress.outputs["fine_fit"]
    return fit.preview


def morphable_of(progress: ClipProgress) -> str:
    """Return the id of the morphable model of a finished clip."""
    fit: FineFitOutputs = progress.outputs["fine_fit"]
    return str(fit.measurements["basis"])


def alpha_region_of(progress: ClipProgress) -> Region:
    """Return the part of the upright frame that a finished clip's alpha is for."""
    matting: MattingOutputs = progress.outputs["matting"]
    return matting.region
