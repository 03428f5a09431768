"""Every variable of talkmill: a process warns of one that no process reads, which is misspelt or of another version."""

from collections.abc import Iterable
from difflib import get_close_matches

_PREFIX = "TALKMILL_"
# Tests compare it with the settings of all processes: one environment may be shared by several.
VARIABLES = frozenset(
    f"{_PREFIX}{name}"
    for name in [
        "ADDRESS_RETENTION_HOURS",
        "ALLOWED_NETWORKS",
        "COARSE_METHODS",
        "CONCURRENCY",
        "CORES",
        "DATABASE_POOL_SIZE",
        "DATABASE_URL",
        "DETECTOR",
        "DRAIN_GRACE_SECONDS",
        "EXECUTION_PROVIDER",
        "EXECUTION_RETENTION_HOURS",
        "GPU",
        "IDLE_SECONDS",
        "INTERNAL_ENDPOINT",
        "LANDMARKS",
        "LEASE_RENEW_SECONDS",
        "LEASE_SECONDS",
        "LIMITS",
        "LIMITS__MAX_FRAMES",
        "LIMITS__MAX_PIXELS",
        "LIMITS__MAX_SECONDS",
        "LINGER_SECONDS",
        "LISTEN",
        "LISTEN__ADDRESS",
        "LISTEN__HEALTH_PORT",
        "LISTEN__MAX_CONNECTION_AGE_SECONDS",
        "LISTEN__METRICS_PORT",
        "LISTEN__PLAIN_TEXT",
        "LISTEN__PORT",
        "LOG_LEVEL",
        "MAX_BYTES",
        "MAX_MEMORY_BYTES",
        "MAX_SECONDS",
        "METHODS",
        "MODELS",
        "MODELS__DIRECTORY",
        "MODELS__MIRROR",
        "MORPHABLE",
        "PLAIN_TEXT",
        "POLLING_SECONDS",
        "REAP_SECONDS",
        "SCRATCH",
        "SERVER",
        "SERVER_CA",
        "SLOTS",
        "STAGE_CONCURRENCY",
        "STAGE_TARGETS",
        "STAGE_TLS",
        "STAGE_TLS__CA",
        "STAGE_TLS__CERTIFICATE",
        "STAGE_TLS__KEY",
        "STORE",
        "STORE__ACCESS_KEY",
        "STORE__CA_CERTIFICATE",
        "STORE__DATASET_BUCKET",
        "STORE__ENDPOINT",
        "STORE__MODEL_BUCKET",
        "STORE__PUBLIC_ENDPOINT",
        "STORE__PUBLIC_SECURE",
        "STORE__REGION",
        "STORE__RETENTION_DAYS",
        "STORE__RETRY_SECONDS",
        "STORE__SECRET_KEY",
        "STORE__SECURE",
        "STORE__WORK_BUCKET",
        "STREAMS_PER_OWNER",
        "THREADS",
        "TLS",
        "TLS__CERTIFICATE",
        "TLS__CLIENT_CA",
        "TLS__KEY",
        "TOKEN",
        "TOKENS_FILE",
    ]
)


def unknown_variables(given: Iterable[str]) -> dict[str, str]:
    """Return the variables that no process reads, each with the name that was perhaps meant, else "".

    Args:
        given: Names in capitals that begin with `TALKMILL_`. Those that begin with `TALKMILL_TEST_` are tests' own.
    """
    known = sorted(name.removeprefix(_PREFIX) for name in VARIABLES)
    unknown = [name for name in given if name not in VARIABLES and not name.startswith("TALKMILL_TEST_")]
    nearest = {name: get_close_matches(name.removeprefix(_PREFIX), known, 1, 0.75) for name in unknown}
    return {name: f"{_PREFIX}{found[0]}" if found else "" for name, found in nearest.items()}
