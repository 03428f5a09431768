import errno
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from talkmill.artifacts.artifact import Artifact, sha256_of
from talkmill.artifacts.manifest import ModelVersion
from talkmill.models.installed import InstalledModel
from talkmill.stages.contract import StageContext
from talkmill.stages.digest import action_digest
from talkmill.stages.errors import (
    CancelledError,
    CorruptInputError,
    DownloadRefusedError,
    InputMissingError,
    InternalError,
    ModelUnavailableError,
    NoFaceError,
    NotWritableError,
    StageError,
    StorageFullError,
    VideoPrivateError,
    VideoRemovedError,
    error_kinds,
    from_rejection,
)
from talkmill.stages.harness import StageHarness


@dataclass(frozen=True, slots=True)
class Inputs:
    file: Artifact
    scale: float = 2.0


@dataclass(frozen=True, slots=True)
class Outputs:
    file: Artifact


class Doubler:
    """Writes its input twice; may fail on demand."""

    name = "doubler"
    version = "1"
    outputs_type = Outputs
    models: tuple[ModelVersion, ...] = ()
    execution_provider = ""
    arithmetic = ""
    keeps_result = True

    def __init__(self, error: Exception | None = None) -> None:
        self.runs = self.loads = 0
        self.error = error

    def load(self) -> None:
        self.loads += 1

    def run(self, inputs: Inputs, context: StageContext) -> Outputs:
        self.runs += 1
        context.advance(0, 1)
        if self.error:
            raise self.error
        path = context.scratch / "out"
        path.write_bytes(context.path(inputs.file).read_bytes() * 2)
        return Outputs(context.publish(path, "out.bin", "application/octet-stream"))


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    return StageHarness(tmp_path)


@pytest.fixture
def inputs(harness: StageHarness, tmp_path: Path) -> Inputs:
    file = tmp_path / "in.bin"
    file.write_bytes(b"ab")
    return Inputs(harness.put(file, "application/octet-stream"))


def test_a_result_is_published_and_found_again(harness: StageHarness, inputs: Inputs) -> None:
    stage = Doubler()
    first, second = harness.run(stage, inputs), harness.run(stage, inputs)
    assert harness.store.fetch(first.outputs.file).read_bytes() == b"abab"
    assert (first.cached, second.cached) == (False, True)
    assert (stage.runs, stage.loads) == (1, 1)
    assert second.outputs == first.outputs


def test_models_are_not_loaded_for_what_is_found(harness: StageHarness, inputs: Inputs) -> None:
    harness.run(Doubler(), inputs)
    fresh = Doubler()
    harness.run(fresh, inputs)
    assert fresh.loads == 0


def test_a_model_that_changes_before_it_is_loaded_is_refused(
    harness: StageHarness, inputs: Inputs, tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"weights")
    model = InstalledModel(path, ModelVersion("m", sha256_of(path)))
    stage = Doubler()
    stage.load = lambda: model.checked_path().read_bytes()
    path.write_bytes(b"Weights")
    with pytest.raises(ModelUnavailableError, match="model m has changed while the process ran"):
        harness.run(stage, inputs)
    path.write_bytes(b"weights")
    assert not harness.run(stage, inputs).cached


def test_other_parameters_are_another_action(harness: StageHarness, inputs: Inputs) -> None:
    stage = Doubler()
    harness.run(stage, inputs)
    assert not harness.run(stage, Inputs(inputs.file, 3.0)).cached


def test_the_digest_knows_content_not_place() -> None:
    here = Inputs(Artifact("a", "x", "00", 1, "t"))
    there = Inputs(Artifact("b", "y", "00", 1, "u"))
    other = Inputs(Artifact("a", "x", "01", 1, "t"))
    model = ModelVersion("m", "1")
    assert action_digest("s", "1", (), here) == action_digest("s", "1", (), there)
    digests = {
        action_digest("s", "1", (), here),
        action_digest("s", "1", (), other),
        action_digest("s", "2", (), here),
        action_digest("t", "1", (), here),
        action_digest("s", "1", (model,), here),
    }
    assert len(digests) == 5


def test_another_arithmetic_is_another_action(harness: StageHarness, inputs: Inputs) -> None:
    stage, other = Doubler(), Doubler()
    other.arithmetic = "openvino"
    harness.run(stage, inputs)
    assert not harness.run(other, inputs).cached
    assert harness.run(other, inputs).cached
    assert harness.run(stage, inputs).cached


def test_what_changes_in_place_is_never_found_again(harness: StageHarness, inputs: Inputs) -> None:
    stage = Doubler()
    stage.keeps_result = False
    assert [harness.run(stage, inputs).cached for _ in range(2)] == [False, False]
    assert stage.runs == 2


def test_nothing_but_errors_of_the_table_leaves_an_execution(harness: StageHarness) -> None:
    """Also where the request itself cannot be written down."""
    bad = Inputs(Artifact("work", "a\udc80", "0" * 64, 1, "t"))
    with pytest.raises(StageError):
        harness.run(Doubler(), bad)


def test_a_refusal_of_the_moment_is_asked_again(harness: StageHarness, inputs: Inputs) -> None:
    stage = Doubler()
    for kind in (VideoRemovedError, VideoPrivateError, DownloadRefusedError):
        stage.error = kind("not today")
        with pytest.raises(kind):
            harness.run(stage, inputs)
    stage.error = None
    assert not harness.run(stage, inputs).cached
    assert stage.runs == 4


def test_a_refusal_that_0_1_kept_is_asked_again(harness: StageHarness, inputs: Inputs) -> None:
    stage = Doubler(NoFaceError("no face"))
    with pytest.raises(NoFaceError):
        harness.run(stage, inputs)
    (manifest,) = (harness.store._path("work", "doubler")).glob("*/manifest.json")
    manifest.write_text(manifest.read_text().replace("NO_FACE", "VIDEO_REMOVED"))
    stage.error = None
    assert not harness.run(stage, inputs).cached


def test_a_verdict_is_kept(harness: StageHarness, inputs: Inputs) -> None:
    stage = Doubler(NoFaceError("no face in 5 frames", measure=0.0, threshold=1.0))
    for _ in range(2):
        with pytest.raises(NoFaceError) as caught:
            harness.run(stage, inputs)
        assert caught.value.rejection().message == "no face in 5 frames"
        assert (caught.value.measure, caught.value.threshold) == (0.0, 1.0)
    assert stage.runs == 1


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "x"), StorageFullError),
        (PermissionError(errno.EACCES, "Permission denied", "x"), NotWritableError),
        (ZeroDivisionError("oops"), InternalError),
        (CancelledError("stop"), CancelledError),
    ],
)
def test_a_failure_is_named_and_tried_again(
    harness: StageHarness, inputs: Inputs, error: Exception, kind: type[StageError], tmp_path: Path
) -> None:
    stage = Doubler(error)
    with pytest.raises(kind):
        harness.run(stage, inputs)
    stage.error = None
    assert not harness.run(stage, inputs).cached
    assert not list((tmp_path / "scratch").iterdir())


def test_outputs_that_are_gone_are_made_again(harness: StageHarness, inputs: Inputs) -> None:
    stage = Doubler()
    harness.store.fetch(harness.run(stage, inputs).outputs.file).unlink()
    assert not harness.run(stage, inputs).cached


def test_a_manifest_that_does_not_read_is_made_again(harness: StageHarness, inputs: Inputs, tmp_path: Path) -> None:
    stage = Doubler()
    harness.run(stage, inputs)
    (manifest,) = (tmp_path / "work" / "doubler").glob("*/manifest.json")
    manifest.write_text("{")
    assert not harness.run(stage, inputs).cached


def test_a_changed_input_is_refused(harness: StageHarness, inputs: Inputs) -> None:
    harness.store.fetch(inputs.file).write_bytes(b"xy!")
    with pytest.raises(CorruptInputError, match="more than the 2 bytes"):
        harness.run(Doubler(), inputs)


def test_the_same_action_twice_at_once_does_no_harm(harness: StageHarness, inputs: Inputs) -> None:
    together = threading.Barrier(2, timeout=20)

    class Slow(Doubler):
        def run(self, inputs: Inputs, context: StageContext) -> Outputs:
            (context.scratch / "mine").touch(exist_ok=False)
            together.wait()
            return super().run(inputs, context)

    with ThreadPoolExecutor(2) as pool:
        stage = Slow()
        first, second = pool.map(lambda _: harness.run(stage, inputs), range(2))
    assert first.outputs == second.outputs
    assert harness.store.fetch(first.outputs.file).read_bytes() == b"abab"


def test_cancelled_work_does_not_begin(harness: StageHarness, inputs: Inputs) -> None:
    stage = Doubler()
    with pytest.raises(CancelledError):
        harness.run(stage, inputs, cancelled=lambda: True)
    assert stage.runs == 0


def test_every_error_has_a_reason_of_its_own() -> None:
    kinds = error_kinds()
    assert all(reason == reason.upper() and kind.remedy for reason, kind in kinds.items())
    concrete = [kind for kind in kinds.values() if not kind.__subclasses__()]
    assert len({kind.reason for kind in concrete}) == len(concrete)
    for kind in concrete:
        assert "\n" not in str(kind("two\nlines"))


def test_a_kept_verdict_is_the_same_error_again() -> None:
    original = NoFaceError("nothing here", measure=1.0)
    again = from_rejection(original.rejection())
    assert type(again) is NoFaceError
    assert again.rejection() == original.rejection()


def missing(path: Path) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, "No such file or directory", str(path))


def test_a_missing_file_of_the_installation_is_no_missing_input(
    harness: StageHarness, inputs: Inputs, tmp_path: Path
) -> None:
    """Nobody is told to put back a file of a server."""
    with pytest.raises(InternalError, match=r"net\.onnx is missing where doubler runs"):
        harness.run(Doubler(missing(tmp_path / "net.onnx")), inputs)


def test_an_input_that_goes_while_a_stage_runs_is_missing(harness: StageHarness, inputs: Inputs) -> None:
    with pytest.raises(InputMissingError) as caught:
        harness.run(Doubler(missing(harness.store.fetch(inputs.file))), inputs)
    assert caught.value.artifact == inputs.file


@pytest.mark.parametrize("error", [missing(Path("/srv/models/net.onnx")), ImportError("libcudnn.so.9: cannot open")])
def test_a_model_that_cannot_be_loaded_is_not_available(
    harness: StageHarness, inputs: Inputs, error: Exception
) -> None:
    class Broken(Doubler):
        def load(self) -> None:
            raise error

    with pytest.raises(ModelUnavailableError, match="the models of doubler cannot be loaded: "):
        harness.run(Broken(), inputs)


def test_a_full_disk_is_told_as_that_also_while_models_are_loaded(harness: StageHarness, inputs: Inputs) -> None:
    class Full(Doubler):
        def load(self) -> None:
            raise OSError(errno.ENOSPC, "No space left on device", "/var/cache/compiled")

    with pytest.raises(StorageFullError, match="/var/cache/compiled"):
        harness.run(Full(), inputs)
