"""The users of the trial MinIO, one for each role: `python -m orchestrator.store_roles FOLDER`.

A role is a folder with `access-key`, `secret-key` and `policy.json`, which says what its credential may do. Beside
MinIO itself, the Job that runs this is all that holds MinIO's root credential. It changes what is there already.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
import urllib3
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException

from orchestrator.settings import StoreRolesSettings
from talkmill.serving.settings import StoreSettings, read_settings
from talkmill.telemetry.logs import configure_server_logs

log = structlog.get_logger()

RETRY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Role:
    """A credential of the store and what it may do.

    Attributes:
        name: Such as `stages`; the policy is called `talkmill-NAME`.
        access_key: Name of the credential.
        secret_key: Its secret.
        policy: Statements in the language of S3's policies.
    """

    name: str
    access_key: str
    secret_key: str
    policy: dict[str, Any]


def read_roles(folder: Path) -> list[Role]:
    """Return the roles of a folder, by name.

    Raises:
        OSError: A file is missing.
        ValueError: A policy is not JSON, or the folder has no role.
    """
    roles = [
        Role(
            one.name,
            (one / "access-key").read_text().strip(),
            (one / "secret-key").read_text().strip(),
            json.loads((one / "policy.json").read_text()),
        )
        for one in sorted(folder.iterdir())
        if (one / "policy.json").exists()
    ]
    if not roles:
        raise ValueError(f"{folder} holds no role")
    return roles


def make_users(settings: StoreSettings, roles: Sequence[Role]) -> None:
    """Make each role's policy and user; what is there already is changed to what the role says.

    Args:
        settings: Of the store; the credential is MinIO's root.
        roles: At least one.

    Raises:
        MinioAdminException: MinIO refuses.
        urllib3.exceptions.HTTPError: MinIO does not answer.
    """
    admin = MinioAdmin(
        endpoint=settings.endpoint,
        credentials=StaticProvider(settings.access_key, settings.secret_key.get_secret_value()),
        region=settings.region,
        secure=settings.secure,
        http_client=urllib3.PoolManager(timeout=urllib3.Timeout(connect=5, read=30), retries=False),
    )
    for role in roles:
        policy = f"talkmill-{role.name}"
        admin.policy_add(policy, policy=role.policy)
        admin.user_add(role.access_key, role.secret_key)
        # Takes the place of whatever policy the user had.
        admin.policy_set(policy, user=role.access_key)
        log.info("role", role=role.name, user=role.access_key)


def main(words: Sequence[str]) -> int:
    """Make the users; returns the exit code."""
    parser = argparse.ArgumentParser(prog="store_roles", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a folder for each role")
    parser.add_argument("--patience", type=float, default=0, metavar="SECONDS", help="try again for so long")
    arguments = parser.parse_args(words)
    settings = read_settings(StoreRolesSettings)
    configure_server_logs(settings.log_level)
    deadline = time.monotonic() + arguments.patience
    while True:
        try:
            make_users(settings.store, read_roles(arguments.folder))
            return 0
        except (MinioAdminException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            why = f"{type(error).__name__}: {error}"
            if time.monotonic() >= deadline:
                log.error("the store's users are not made", error=why)
                return 1
            log.warning("the store's users are not made yet; trying again", error=why, seconds=RETRY_SECONDS)
            time.sleep(RETRY_SECONDS)


if __name__ == "__main__":
    # The first process of a container ignores what it does not handle.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sys.exit(main(sys.argv[1:]))
