"""`make compose-up`: passwords and a token, made once, readable by their owner only; prints how to use them."""

import os
import secrets
from pathlib import Path

import yaml

from talkmill.wire.tokens import hash_token

FOLDER = Path(__file__).resolve().parent
PASSWORDS = ("MINIO_PASSWORD", "POSTGRES_PASSWORD", "GRAFANA_PASSWORD")


def write(folder: Path) -> Path:
    """Write `.env` and `.secrets/` where they are not there yet; returns the file of the token."""
    private = folder / ".secrets"
    private.mkdir(mode=0o700, exist_ok=True)
    _once(folder / ".env", "".join(f"{name}={secrets.token_urlsafe(24)}\n" for name in PASSWORDS), 0o600)
    token = private / "token"
    _once(token, secrets.token_urlsafe(32), 0o600)
    entry = {"name": "compose", "sha256": hash_token(token.read_text()), "scopes": ["write:all"]}
    _once(private / "tokens.yaml", yaml.safe_dump([entry]), 0o644)
    return token


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
