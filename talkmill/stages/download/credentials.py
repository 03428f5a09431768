"""User and password of an address: sent to the host that they stand before, and to no other."""

import base64
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who asks a host, and for which of its addresses that may be said.

    Attributes:
        origin: Scheme, host and port.
        authorization: Value of the header `Authorization`.
    """

    origin: tuple[str, str, int]
    authorization: str

    def are_for(self, address: str) -> bool:
        """Say whether an address is one of the host's."""
        try:
            return _origin(urlsplit(address)) == self.origin
        except ValueError:
            return False


def without_credentials(address: str) -> tuple[str, Credentials | None]:
    """Take user and password out of an address.

    An address with them must not be handed on: libraries send it to other hosts, as where a request came from.

    Args:
        address: http(s) address.

    Returns:
        The address without them, and what they are; None where it has none.

    Raises:
        ValueError: It is no address.
    """
    parts = urlsplit(address)
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return address, None
    name, _, password = user.partition(":")
    pair = f"{unquote(name)}:{unquote(password)}".encode()
    return parts._replace(netloc=host).geturl(), Credentials(_origin(parts), f"Basic {base64.b64encode(pair).decode()}")


def same_origin(one: str, other: str) -> bool:
    """Say whether two addresses have the same scheme, host and port."""
    try:
        return _origin(urlsplit(one)) == _origin(urlsplit(other))
    except ValueError:
        return False


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
