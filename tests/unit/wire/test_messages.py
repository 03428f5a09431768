"""Requests to dataclasses and back."""

import math
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from talkmill.api.common.v1.common_pb2 import ExecutionContext
from talkmill.api.crop.v1 import crop_pb2
from talkmill.api.download.v1 import download_pb2
from talkmill.api.pipeline.v1 import pipeline_pb2
from talkmill.api.split.v1 import split_pb2
from talkmill.artifacts.artifact import Artifact
from talkmill.pipeline.graph import RunParameters
from talkmill.region import Region
from talkmill.stages.crop.messages import CropInputs, CropParameters
from talkmill.stages.download.messages import DownloadInputs
from talkmill.stages.errors import InvalidRequestError
from talkmill.stages.split.messages import SplitParameters, TimeRange
from talkmill.wire.messages import check_context, fill_message, from_message, measurement
from talkmill.wire.methods import stage_methods

METHODS = stage_methods()
ARTIFACT = Artifact("work-bucket", "matting/abc/alpha.mkv", "a" * 64, 12, "video/x-matroska")


def inputs() -> CropInputs:
    region = Region(40, 0, 320, 240)
    return CropInputs(
        ARTIFACT, ARTIFACT, ARTIFACT, "25", CropParameters(128, 0.1, (0, 177, 64)), alpha=ARTIFACT, region=region
    )


def request() -> crop_pb2.CropVideoRequest:
    message = crop_pb2.CropVideoRequest()
    fill_message(inputs(), message)
    return message


def test_a_request_comes_back_as_it_went() -> None:
    assert from_message(request(), CropInputs) == inputs()


def test_what_is_not_set_has_the_dataclass_default() -> None:
    message = request()
    message.ClearField("parameters")
    assert from_message(message, CropInputs).parameters == CropParameters()
    message.parameters.size = 256
    assert from_message(message, CropInputs).parameters == CropParameters(size=256)
    # Zero is a value, not a field that is not set.
    message.parameters.increase_area = 0
    assert from_message(message, CropInputs).parameters == CropParameters(size=256, increase_area=0)


@pytest.mark.parametrize(
    ("field", "spoil"),
    [
        ("video.key", lambda m: setattr(m.video, "key", "../secret")),
        ("video.key", lambda m: setattr(m.video, "key", "/etc/passwd")),
        ("video.key", lambda m: setattr(m.video, "key", "a//b")),
        ("video.key", lambda m: setattr(m.video, "key", "a/\0b")),
        ("alpha.sha256", lambda m: setattr(m.alpha, "sha256", "A" * 64)),
        ("alpha.size_bytes", lambda m: setattr(m.alpha, "size_bytes", -1)),
        ("face_track.bucket", lambda m: setattr(m.face_track, "bucket", "No_Bucket")),
        ("face_track", lambda m: m.ClearField("face_track")),
        ("frame_table.key", lambda m: setattr(m.frame_table, "key", "")),
        ("region", lambda m: setattr(m.region, "x", -1)),
        ("region", lambda m: setattr(m.region, "height", 0)),
        ("rate", lambda m: m.ClearField("rate")),
        ("rate", lambda m: setattr(m, "rate", "25/0")),
        ("rate", lambda m: setattr(m, "rate", "1e9")),
        ("parameters.size", lambda m: setattr(m.parameters, "size", 63)),
        ("parameters.increase_area", lambda m: setattr(m.parameters, "increase_area", math.nan)),
        ("parameters.increase_area", lambda m: setattr(m.parameters, "increase_area", math.inf)),
        ("parameters.background_color", lambda m: m.parameters.background_color.append(1)),
        ("parameters.background_color.0", lambda m: m.parameters.background_color.__setitem__(0, 256)),
    ],
)  # fmt: skip
def test_the_field_that_is_wrong_is_named(field: str, spoil: Any) -> None:
    message = request()
    spoil(message)
    with pytest.raises(InvalidRequestError) as caught:
        from_message(message, CropInputs)
    assert caught.value.field == field
    assert field in str(caught.value)


@pytest.mark.parametrize("field", ["alpha", "region"])
def test_a_matte_and_its_region_come_together(field: str) -> None:
    message = request()
    message.ClearField(field)
    with pytest.raises(InvalidRequestError, match="alpha and region are given together, or neither is"):
        from_message(message, CropInputs)
    message.ClearField("alpha")
    message.ClearField("region")
    assert from_message(message, CropInputs).alpha is None


def test_kinds_that_there_are_not_are_refused() -> None:
    message = pipeline_pb2.PipelineParameters(kinds=["video", "alpha"])
    assert from_message(message, RunParameters, "parameters").kinds == ("video", "alpha")
    message.kinds.append("teeth")
    with pytest.raises(InvalidRequestError) as caught:
        from_message(message, RunParameters, "parameters")
    assert caught.value.field == "parameters.kinds.2"


def test_a_range_that_ends_before_it_starts_is_refused() -> None:
    message = split_pb2.SplitParameters(ranges=[{"start_seconds": 2, "end_seconds": 1}])
    with pytest.raises(InvalidRequestError, match="ends before it starts"):
        from_message(message, SplitParameters)
    message.ranges[0].end_seconds = 3
    assert from_message(message, SplitParameters).ranges == (TimeRange(2.0, 3.0),)


def test_a_path_of_the_embedded_mode_cannot_travel() -> None:
    with pytest.raises(ValueError, match="sha256 cannot travel"):
        fill_message(DownloadInputs("/home/me/video.mp4", "a" * 64, 12), download_pb2.DownloadVideoRequest())


@given(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.text(max_size=20),
        st.floats(allow_nan=False, allow_infinity=False),
    )
)
def test_measurements_keep_their_type(value: Any) -> None:
    outputs_type = METHODS["matting"].outputs
    message = METHODS["matting"].response().outputs
    fill_message(ARTIFACT, message.alpha)
    fill_message(Region(0, 0, 1, 1), message.region)
    message.measurements["it"].CopyFrom(measurement(value))
    found = from_message(type(message).FromString(message.SerializeToString()), outputs_type).measurements["it"]
    assert type(found) is type(value)
    assert found == value


@pytest.mark.parametrize("stage", METHODS)
def test_every_field_has_one_name_in_proto_and_python(stage: str) -> None:
    """A parameter that is added to one and forgotten in the other is found here."""
    method = METHODS[stage]
    request, response = method.request.DESCRIPTOR, method.response.DESCRIPTOR
    embedded_only = {"sha256", "size_bytes"} if stage == "download" else set()
    # The names that must not be in the set any more are those of a folder that is continued.
    embedded_only |= {"removed"} if stage == "pack" else set()
    compare(request, method.inputs, {"context"}, embedded_only)
    compare(response.fields_by_name["outputs"].message_type, method.outputs, set(), set())


def compare(descriptor: Any, kind: Any, proto_only: set[str], python_only: set[str]) -> None:
    names = {field.name for field in fields(kind)}
    assert set(descriptor.fields_by_name) - proto_only == names - python_only, kind
    hints = get_type_hints(kind)
    for name in names - python_only:
        inner = [one for one in (hints[name], *get_args(hints[name])) if isinstance(one, type) and is_dataclass(one)]
        if inner:
            compare(descriptor.fields_by_name[name].message_type, inner[0], set(), set())


@pytest.mark.parametrize("stage", METHODS)
def test_defaults_are_within_their_own_bounds(stage: str) -> None:
    parameters = get_type_hints(METHODS[stage].inputs).get("parameters")
    TypeAdapter(parameters).validate_python(TypeAdapter(parameters).dump_python(parameters()))


@pytest.mark.parametrize(
    ("field", "value"),
    [("request_id", ""), ("request_id", "x" * 257), ("request_id", "a\0b"), ("name", "x" * 1025),
     ("output_key_prefix", "../up/"), ("output_key_prefix", "/root/"), ("output_key_prefix", "no-slash"),
     ("output_key_prefix", "a//b/"), ("output_key_prefix", "a\\b/"), ("output_bucket", "x" * 64)],
)  # fmt: skip
def test_a_context_that_is_wrong_is_refused(field: str, value: str) -> None:
    context = ExecutionContext(request_id="id", name="می\u200cخواهم", output_key_prefix="runs/r1/")
    check_context(context)
    setattr(context, field, value)
    with pytest.raises(InvalidRequestError) as caught:
        check_context(context)
    assert caught.value.field == f"context.{field}"
