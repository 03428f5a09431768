"""What a run is for decides which stages it has: the graph is asked for kinds of files, and knows no layout."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.manifest import ModelVersion
from talkmill.dataset.keys import OPTIONAL
from talkmill.models.choice import DEFAULT_MODELS
from talkmill.pipeline.composition import build_stages
from talkmill.pipeline.graph import GRAPH, KINDS, ClipProgress, RunParameters, after, names_of, node_of, stages_for
from talkmill.pipeline.kinds import ALL_KINDS, Kind
from talkmill.region import Region
from talkmill.stages.crop.messages import CropInputs
from talkmill.stages.digest import action_digest
from talkmill.stages.matting.messages import MattingOutputs
from talkmill.stages.split.messages import CutClip

ALWAYS = ("download", "split", "crop", "landmarks", "pack")
FILE = Artifact("work", "a/b/c", "0" * 64, 1, "text/plain")
CLIP = CutClip(0, FILE, FILE, FILE, FILE, 3, "25", 64, 64, 0.0)


@pytest.mark.parametrize(
    ("kinds", "beside"),
    [
        (("video",), ()),
        (("video", "frame_table", "audio", "landmarks", "geometry", "face_mesh", "face_track"), ()),
        (("alpha",), ("matting",)),
        (("frames",), ("matting",)),
        (("coefficients",), ("coarse_fit",)),
        (("fit",), ("matting", "fine_fit")),
        (("coefficients", "frames"), ("matting", "coarse_fit")),
        (ALL_KINDS, ("matting", "coarse_fit", "fine_fit")),
        ((), ("matting", "coarse_fit", "fine_fit")),
    ],
)
def test_only_what_makes_the_kinds_is_run(kinds: tuple[Kind, ...], beside: tuple[str, ...]) -> None:
    assert stages_for(kinds) == {*ALWAYS, *beside}
    assert list(names_of(kinds=kinds)) == [node.name for node in GRAPH if node.name in stages_for(kinds)]


def test_a_run_for_more_has_every_stage_of_a_run_for_less() -> None:
    for one in ALL_KINDS:
        for other in ALL_KINDS:
            assert stages_for((one, other)) == stages_for((one,)) | stages_for((other,))


def test_a_stage_is_followed_by_the_next_one_that_is_run() -> None:
    assert after(node_of("crop"), ("video",)) == node_of("landmarks")
    assert after(node_of("landmarks"), ("video",)) is None
    assert after(node_of("landmarks"), ("fit",)) == node_of("fine_fit")
    assert after(node_of("landmarks")) == node_of("coarse_fit")


def test_fields_that_a_set_may_lack_are_those_of_some_kind() -> None:
    assert {field for one in KINDS for field in one.fields} == OPTIONAL


def test_the_crop_takes_the_matte_where_there_is_one() -> None:
    request, parameters = node_of("crop").request, RunParameters()
    matte = MattingOutputs(FILE, Region(1, 2, 3, 4))
    assert request(ClipProgress(CLIP, {"matting": matte}), parameters).region == matte.region
    assert request(ClipProgress(CLIP, {}), parameters).alpha is None
    with pytest.raises(ValueError, match="together"):
        CropInputs(FILE, FILE, FILE, "25", alpha=FILE)


def test_what_a_run_is_for_changes_no_request() -> None:
    """A later run for more finds what an earlier one made."""
    for outputs in ({}, {"matting": MattingOutputs(FILE, Region(1, 2, 3, 4))}):
        requests = [
            node_of("crop").request(ClipProgress(CLIP, outputs), RunParameters(kinds=kinds))
            for kinds in ((), ("alpha",), ALL_KINDS)
        ]
        assert len({action_digest("crop", "1", (), one) for one in requests}) == 1


class Models:
    """A folder of models that tells which it was asked for."""

    folder = Path("models")

    def __init__(self) -> None:
        self.asked: list[str] = []

    def ensure(self, name: str, *roles: str) -> SimpleNamespace:
        self.asked.append(name)
        return SimpleNamespace(version=ModelVersion(name, "0" * 64))


def test_models_of_stages_that_are_not_run_are_not_fetched() -> None:
    kinds: tuple[Kind, ...]
    for kinds, asked in (
        (("landmarks",), {"faceboxes-v2", "face-mesh-478", "face-api-68", "face-api-embedding"}),
        (("alpha",), {"faceboxes-v2", "face-mesh-478", "face-api-68", "face-api-embedding", "selfie-256", "u2netp"}),
    ):
        models = Models()
        stages = build_stages(Path("out"), models, DEFAULT_MODELS, RunParameters(kinds=kinds), "cpu", 1)
        assert stages.keys() == stages_for(kinds)
        assert set(models.asked) == asked
