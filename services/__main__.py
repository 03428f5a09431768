"""Serve one stage: `python -m services STAGE`, configured by the environment."""

import sys

from talkmill.environment import bound_memory, quiet_libraries

# Native libraries read the environment when they are loaded.
quiet_libraries()
bound_memory()

from services.process import process_of
from services.stage_server import serve_stage
from talkmill.pipeline.graph import names_of, node_of
from talkmill.serving.settings import read_settings
from talkmill.wire.methods import method_of


def main(words: list[str]) -> int:
    """Serve until SIGTERM; returns the exit code."""
    if len(words) != 1 or words[0] not in names_of():
        sys.exit(f"usage: python -m services STAGE, one of {', '.join(names_of())}")
    (stage,) = words
    process = process_of(stage)
    settings = read_settings(process.SETTINGS)
    return serve_stage(method_of(node_of(stage)), settings, lambda: process.build(settings))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
