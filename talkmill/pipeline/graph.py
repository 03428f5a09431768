"""The graph: every stage, what it reads, and what comes after it. All that walks the pipeline walks this table."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from talkmill.artifacts.artifact import Artifact
from talkmill.dataset.keys import COEFFICIENTS, CONDITION, IDENTITY
from talkmill.pipeline.kinds import Kind
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
    """The parameters of every stage of a run; a field a stage, by its name.

    Attributes:
        kinds: Kinds of a clip's files that the run is for: only the stages that these need are run. Empty for all.
    """

    download: DownloadParameters = DownloadParameters()
    split: SplitParameters = SplitParameters()
    matting: MattingParameters = MattingParameters()
    crop: CropParameters = CropParameters()
    landmarks: LandmarksParameters = LandmarksParameters()
    coarse_fit: CoarseFitParameters = CoarseFitParameters()
    fine_fit: FineFitParameters = FineFitParameters()
    kinds: tuple[Kind, ...] = ()


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
        uses: Stages whose outputs it reads where they are run.
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
    uses: tuple[str, ...]
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
    clip = progress.clip
    matting: MattingOutputs | None = progress.outputs.get("matting")
    alpha, region = (None, None) if matting is None else (matting.alpha, matting.region)
    return CropInputs(clip.video, clip.frame_table, clip.face_track, clip.rate, parameters.crop, alpha, region)


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
        "download", "source", (), (), DownloadInputs, DownloadOutputs, _download,
        gpu=False, share=0.0, summary="a file or an address to a source",
    ),
    Node(
        "split", "source", ("download",), (), SplitInputs, SplitOutputs, _split,
        gpu=True, share=0.0, summary="a source to clips of one person",
    ),
    Node(
        "matting", "clip", ("split",), (), MattingInputs, MattingOutputs, _matting,
        gpu=True, share=0.58, summary="alpha for every frame",
    ),
    Node(
        "crop", "clip", ("split",), ("matting",), CropInputs, CropOutputs, _crop,
        gpu=False, share=0.15, summary="one square over the clip",
    ),
    Node(
        "landmarks", "clip", ("crop",), (), LandmarksInputs, LandmarksOutputs, _landmarks,
        gpu=True, share=0.1, summary="68 points a frame",
    ),
    Node(
        "coarse_fit", "clip", ("crop", "landmarks"), (), CoarseFitInputs, CoarseFitOutputs, _coarse_fit,
        gpu=False, share=0.01, summary="257 coefficients a frame",
    ),
    Node(
        "fine_fit", "clip", ("split", "matting", "crop", "landmarks"), (), FineFitInputs, FineFitOutputs, _fine_fit,
        gpu=False, share=0.16, summary="one identity and focal a clip, smooth pose and expression",
    ),
    Node(
        "pack", "run", ("crop", "landmarks"), ("coarse_fit", "fine_fit"), PackInputs, PackOutputs, _pack,
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


@cache
def _stages_for(kinds: frozenset[Kind]) -> frozenset[str]:
    wanted = {PACK, *(stage for one in KINDS if one.kind in kinds for stage in one.made_by)}
    for node in reversed(GRAPH):
        wanted.update(node.needs if node.name in wanted else ())
    return frozenset(wanted)


def stages_for(kinds: Collection[Kind]) -> frozenset[str]:
    """Return the stages that make a set with files of some kinds: those that make them, and all that these read.

    Args:
        kinds: Of a clip's files; empty for all.
    """
    return _stages_for(frozenset(kinds)) if kinds else frozenset(_BY_NAME)


def nodes_of(scope: Scope, kinds: Collection[Kind] = ()) -> tuple[Node, ...]:
    """Return the stages of a scope that a run for some kinds of files has, in order; of a run for all by default."""
    wanted = stages_for(kinds)
    return tuple(node for node in GRAPH if node.scope == scope and node.name in wanted)


def names_of(*scopes: Scope, kinds: Collection[Kind] = ()) -> tuple[str, ...]:
    """Return the names of the stages of some scopes, in order; of all stages where none is named. See `nodes_of`."""
    wanted = stages_for(kinds)
    return tuple(node.name for node in GRAPH if node.name in wanted and (not scopes or node.scope in scopes))


def after(node: Node, kinds: Collection[Kind] = ()) -> Node | None:
    """Return the next stage of the same scope in a run for some kinds of files; None after the last."""
    same = nodes_of(node.scope, kinds)
    position = same.index(node) + 1
    return same[position] if position < len(same) else None


@dataclass(frozen=True, slots=True)
class ClipFile:
    """A kind of a clip's files.

    Attributes:
        kind: Its name.
        made_by: Stages without which there is none.
        of: The file of a clip; None where a stage could make it and did not.
        fields: Fields of the set that are made of it alone.
    """

    kind: Kind
    made_by: tuple[str, ...]
    of: Callable[[ClipProgress], Artifact | None]
    fields: tuple[str, ...] = ()


KINDS: tuple[ClipFile, ...] = (
    # The crop shows the person over a flat background where there is a matte; without one it is no such file.
    ClipFile("frames", ("matting", "crop"), lambda clip: _crop_of(clip).frames),
    ClipFile("landmarks", ("landmarks",), lambda clip: _landmarks_of(clip).landmarks),
    ClipFile("coefficients", ("coarse_fit",), lambda clip: _coarse_of(clip).coefficients, (COEFFICIENTS,)),
    ClipFile("fit", ("fine_fit",), lambda clip: _fine_of(clip).fit, (CONDITION, IDENTITY)),
    ClipFile("face_mesh", ("landmarks",), lambda clip: _landmarks_of(clip).face_mesh),
    ClipFile("video", ("split",), lambda clip: clip.clip.video),
    ClipFile("frame_table", ("split",), lambda clip: clip.clip.frame_table),
    ClipFile("audio", ("split",), lambda clip: clip.clip.audio),
    ClipFile("face_track", ("split",), lambda clip: clip.clip.face_track),
    ClipFile("alpha", ("matting",), lambda clip: _matting_of(clip).alpha),
    ClipFile("geometry", ("crop",), lambda clip: _crop_of(clip).geometry),
)

# The first stage of a source, the stage whose outputs are clips, and the stage that writes the set.
FIRST, CLIPS_FROM, PACK = nodes_of("source")[0].name, nodes_of("source")[-1].name, nodes_of("run")[0].name


def clip_artifacts(progress: ClipProgress) -> dict[Kind, Artifact]:
    """Return every artifact that a finished clip is shown or exported from."""
    found = {one.kind: one.of(progress) for one in KINDS if not _not_run(one, progress)}
    return {kind: artifact for kind, artifact in found.items() if artifact is not None}


def not_made(progress: ClipProgress) -> dict[str, str]:
    """Return the kinds of files and the fields of the set that a finished clip lacks, each with the reason."""
    return {
        name: f"{stage} was not run: nothing that the run is for needs it"
        for one in KINDS
        for stage in _not_run(one, progress)[:1]
        for name in (one.kind, *one.fields)
    }


def packed_artifacts(progress: ClipProgress) -> dict[str, Any]:
    """Return what pack reads of a finished clip."""
    made = clip_artifacts(progress)
    return {
        "frames": _crop_of(progress).frames,
        "landmarks": _landmarks_of(progress).landmarks,
        "coefficients": made.get("coefficients"),
        "fit": made.get("fit"),
    }


def provenance_of(progress: SourceProgress) -> dict[str, str]:
    """Return where a source comes from."""
    found: DownloadOutputs = progress.outputs["download"]
    return found.provenance


def preview_of(progress: ClipProgress) -> Artifact | None:
    """Return the picture that shows a finished clip; None where its stage was not run."""
    return _fine_of(progress).preview if "fine_fit" in progress.outputs else None


def morphable_of(progress: ClipProgress) -> str | None:
    """Return the id of the morphable model of a finished clip; None where no head was fitted."""
    return str(_fine_of(progress).measurements["basis"]) if "fine_fit" in progress.outputs else None


def alpha_region_of(progress: ClipProgress) -> Region | None:
    """Return the part of the upright frame that a finished clip's alpha is for; None where there is no alpha."""
    return _matting_of(progress).region if "matting" in progress.outputs else None


def _not_run(one: ClipFile, progress: ClipProgress) -> list[str]:
    return [stage for stage in one.made_by if node_of(stage).scope == "clip" and stage not in progress.outputs]


def _matting_of(progress: ClipProgress) -> MattingOutputs:
    outputs: MattingOutputs = progress.outputs["matting"]
    return outputs


def _crop_of(progress: ClipProgress) -> CropOutputs:
    outputs: CropOutputs = progress.outputs["crop"]
    return outputs


def _landmarks_of(progress: ClipProgress) -> LandmarksOutputs:
    outputs: LandmarksOutputs = progress.outputs["landmarks"]
    return outputs


def _coarse_of(progress: ClipProgress) -> CoarseFitOutputs:
    outputs: CoarseFitOutputs = progress.outputs["coarse_fit"]
    return outputs


def _fine_of(progress: ClipProgress) -> FineFitOutputs:
    outputs: FineFitOutputs = progress.outputs["fine_fit"]
    return outputs
