"""A stage's real server in which marked clips take a short cut: `python -m tests.orchestrator.fast_stages STAGE`.

A source named `fast_BEHAVIOUR_STAGE_N.mp4` goes through all stages on copies of a template clip's artifacts, so that
its data set is whole. At STAGE it does what BEHAVIOUR says:
    ok      nothing special
    poison  ends in a rejection
    killer  kills the worker
    flaky   (at every stage) one call in five is refused with UNAVAILABLE
Everything else goes to the real stage.
"""

import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from pydantic import TypeAdapter

from services.process import process_of
from services.stage_server import serve_stage
from talkmill.artifacts.artifact import Artifact
from talkmill.artifacts.manifest import decode_manifest
from talkmill.pipeline.graph import node_of
from talkmill.serving.settings import read_settings
from talkmill.stages.contract import StageContext
from talkmill.stages.errors import MatteLostError, ServiceFullError
from talkmill.wire.methods import method_of

TEMPLATE = Path(os.environ.get("TALKMILL_TEST_TEMPLATE", "."))
SECONDS = float(os.environ.get("TALKMILL_TEST_SECONDS", "0.3"))


def artifacts(value: Any) -> Iterator[Artifact]:
    if isinstance(value, Artifact):
        yield value
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from artifacts(getattr(value, name))


def tag_of(inputs: Any) -> str | None:
    """The source's name without its suffix, for a marked clip."""
    names = [Path(artifact.key).name for artifact in artifacts(inputs)]
    return next((name.split("-")[0].removesuffix(".mp4") for name in names if name.startswith("fast_")), None)


class FastStage:
    models = ()
    execution_provider = ""
    arithmetic = ""
    keeps_result = True
    version = "fast"

    def __init__(self, name: str, outputs_type: type[Any]) -> None:
        self.name, self.outputs_type = name, outputs_type

    def load(self) -> None:
        if self.name == "download":
            return
        (manifest,) = (TEMPLATE / "work" / self.name).glob("*/manifest.json")
        self._folder = manifest.parent
        self._outputs = decode_manifest(manifest.read_bytes()).outputs

    def run(self, inputs: Any, context: StageContext) -> Any:
        tag = tag_of(inputs)
        assert tag
        _, behaviour, stage, _ = tag.split("_", 3)
        for step in range(10):
            context.advance(step, 10)
            time.sleep(SECONDS / 10)
            if stage == self.name.replace("_", "") and step == 5:
                if behaviour == "killer":
                    os.kill(os.getpid(), signal.SIGKILL)
                if behaviour == "poison":
                    raise MatteLostError("poisoned by the test", measure=1.0, threshold=0.1)
        if self.name == "download":
            return self.outputs_type(inputs.upload, {"uri": inputs.uri}, {})
        return TypeAdapter(self.outputs_type).validate_python(self._copied(self._outputs, tag, context))

    def _copied(self, value: Any, tag: str, context: StageContext) -> Any:
        """The template's outputs, with every artifact a copy of its own under the clip's tag."""
        if isinstance(value, dict) and {"bucket", "key", "sha256"} <= value.keys():
            name = Path(value["key"]).name
            copy = context.scratch / name
            if name.endswith(".npz"):
                shutil.copyfile(self._folder / name, copy)
                # The comment of an archive makes it another file without changing what it holds.
                with ZipFile(copy, "a") as archive:
                    archive.comment = tag.encode()
            else:
                shutil.copyfile(self._folder / name, copy)
                if name.endswith(".mp4"):
                    # A `free` box makes the file another one without changing what it holds.
                    with copy.open("ab") as file:
                        file.write((8 + len(tag)).to_bytes(4, "big") + b"free" + tag.encode())
            artifact = context.publish(copy, f"{tag}-{name}", value["media_type"])
            return {field: getattr(artifact, field) for field in artifact.__dataclass_fields__}
        if isinstance(value, dict):
            return {key: self._copied(item, tag, context) for key, item in value.items()}
        if isinstance(value, list):
            return [self._copied(item, tag, context) for item in value]
        return value


def main(name: str) -> int:
    real, node = process_of(name), node_of(name)
    settings = read_settings(real.SETTINGS)
    fast = FastStage(name, node.outputs)

    def build() -> Any:
        stage_for, first = real.build(settings)

        def choose(inputs: Any) -> Any:
            tag = tag_of(inputs)
            if tag and "_flaky_" in tag and random.random() < 0.2:
                raise ServiceFullError("refused by the test")
            return fast if tag else stage_for(inputs)

        return choose, [*first, *([] if name == "pack" else [fast])]

    return serve_stage(method_of(node), settings, build)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
