"""`make compose-up`: passwords, roles of the store and a token, made once and private; prints how to use them."""

import os
import secrets
from pathlib import Path

import yaml

from talkmill.wire.tokens import hash_token

FOLDER = Path(__file__).resolve().parent
# What each role of the store may do: those of the chart, for the buckets that settings name by default.
POLICIES = FOLDER / "policies"
ROLES = tuple(path.stem for path in sorted(POLICIES.glob("*.json")))
PASSWORDS = (
    "MINIO_PASSWORD",
    "POSTGRES_PASSWORD",
    "GRAFANA_PASSWORD",
    *(f"STORE_{role.upper()}_SECRET" for role in ROLES),
)


def write(folder: Path) -> Path:
    """Write what is missing of `.env` and `.secrets/`; returns the file of the token."""
    private = folder / ".secrets"
    private.mkdir(mode=0o700, exist_ok=True)
    passwords = _passwords(folder / ".env")
    for role in ROLES:
        own = private / "store" / role
        own.mkdir(parents=True, exist_ok=True)
        policy = (POLICIES / f"{role}.json").read_text()
        secret = passwords[f"STORE_{role.upper()}_SECRET"]
        for name, content in (("access-key", f"talkmill-{role}"), ("secret-key", secret), ("policy.json", policy)):
            (own / name).write_text(content)
            (own / name).chmod(0o644)
        # `.secrets` lets nobody through; the user of the container reads what is mounted from below it.
        for folder_of_role in (own, own.parent):
            folder_of_role.chmod(0o755)
    token = private / "token"
    _once(token, secrets.token_urlsafe(32), 0o600)
    entry = {"name": "compose", "sha256": hash_token(token.read_text()), "scopes": ["write:all"]}
    _once(private / "tokens.yaml", yaml.safe_dump([entry]), 0o644)
    return token


def _passwords(path: Path) -> dict[str, str]:
    """Return the passwords of `.env`, and add those that it lacks: an older version knew fewer."""
    _once(path, "", 0o600)
    lines = [line.partition("=") for line in path.read_text().splitlines()]
    found = {name: value for name, _, value in lines if name in PASSWORDS}
    missing = {name: secrets.token_urlsafe(24) for name in PASSWORDS if name not in found}
    with path.open("a") as file:
        file.write("".join(f"{name}={value}\n" for name, value in missing.items()))
    return found | missing


def _once(path: Path, content: str, mode: int) -> None:
    if path.exists():
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)


if __name__ == "__main__":
    where = write(FOLDER).relative_to(Path.cwd())
    print(f"orchestrator 127.0.0.1:50051, Prometheus http://127.0.0.1:9090, Grafana http://127.0.0.1:3000 (admin, "
          f"password in {FOLDER.relative_to(Path.cwd())}/.env)\n  export TALKMILL_TOKEN=$(cat {where})\n"
          "  talkmill submit VIDEO... --watch")  # fmt: skip
