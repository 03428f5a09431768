"""What a connection to an orchestrator needs, and why one fails, in words that name what to change."""

import re

from talkmill.address import shown_address

_SERVER = re.compile(r"(dns:///)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):(?P<port>\d{1,5})")
DEFAULT_PORT = 50051
# What gRPC says of a connection, whether TLS was asked for (None: either), and what it means. None of these passes by
# itself.
_MEANINGS: tuple[tuple[str, bool | None, str], ...] = (
    (
        "WRONG_VERSION_NUMBER",
        True,
        "{server} speaks plain text, and TALKMILL_SERVER_CA asks for TLS: unset it, or give the port that speaks TLS",
    ),
    (
        "certificate has expired",
        True,
        "the certificate of {server} has expired: the operator has to renew it",
    ),
    (
        "CERTIFICATE_VERIFY_FAILED",
        True,
        "the certificate of {server} was not signed by who stands in TALKMILL_SERVER_CA: ask the operator for its CA",
    ),
    (
        "Hostname Verification Check failed",
        True,
        "the certificate of {server} is for another name: give the name that it was made for in `server`",
    ),
    (
        "Expected SETTINGS frame",
        None,
        "{server} is no gRPC server: give the port of the orchestrator, not that of metrics or the store",
    ),
    ("Domain name not found", None, "{server}: there is no such host; is `server` right?"),
    ("Misformatted domain name", None, "{server}: there is no such host; is `server` right?"),
)

# What it says of a connection that was closed at its beginning.
_CLOSED = ("Socket closed", "Connection reset", "Broken pipe")


def server_address(text: str) -> str:
    """Return the address of a server, which is host:port.

    Raises:
        ValueError: It is something else; the message says what.
    """
    wanted = f"`server` is host:port of the orchestrator, such as localhost:{DEFAULT_PORT}"
    if not text.strip():
        raise ValueError(f"the address of the server is empty; {wanted}")
    found = _SERVER.fullmatch(text)
    if found and 1 <= int(found["port"]) <= 65535:
        return text
    if "://" in text and not text.startswith("dns:///"):
        raise ValueError(f"{shown_address(text)} is an address of the web; {wanted}, without http:// or https://")
    # What stands before an @ is a password more often than not.
    shown = text.rpartition("@")[2]
    if ":" not in text:
        raise ValueError(f"{shown} has no port; {wanted}")
    raise ValueError(f"{shown!r} is no address of a server; {wanted}")


def bearer_token(text: str) -> str:
    """Return a token without the spaces around it.

    Raises:
        ValueError: No token is like that; the message does not show it.
    """
    token = text.strip()
    if re.fullmatch(r"[!-~]*", token):
        return token
    found = "spaces or line breaks" if token.isascii() else "characters that are not ASCII"
    raise ValueError(f"TALKMILL_TOKEN has {found}: one word is wanted, as `talkmill token` prints it")


def lasting_trouble(server: str, details: str, tls: bool) -> str:
    """Return what is wrong with a connection that will not mend itself; "" where waiting may help.

    Args:
        server: Address of the server.
        details: What gRPC says.
        tls: Whether the connection speaks TLS.
    """
    for sign, wanted, meaning in _MEANINGS:
        if sign in details and wanted in (None, tls):
            return meaning.format(server=server)
    return ""


def trouble(server: str, code: str, details: str, tls: bool) -> str:
    """Return why a call failed that no orchestrator answered.

    Args:
        server: Address of the server.
        code: Of gRPC, such as UNAVAILABLE.
        details: What gRPC says.
        tls: Whether the connection speaks TLS.
    """
    if code == "UNIMPLEMENTED":
        return (
            f"{server} does not know this call: is it the port of a stage, or an orchestrator of another version? "
            f"`server` is that of the orchestrator, by default {DEFAULT_PORT}"
        )
    if code != "UNAVAILABLE":
        return f"{server} answers {code}: {details}"
    if lasting := lasting_trouble(server, details, tls):
        return lasting
    text = f"no orchestrator answers at {server}: is it up, and is `server` right?"
    if not any(sign in details for sign in _CLOSED):
        return text
    if tls:
        return f"{text} It closed the connection: a stage does so that wants a client's certificate"
    return f"{text} It closed the connection: where it speaks TLS, set TALKMILL_SERVER_CA to its CA file"
