"""Certificates for calling the stages. Light: settings import it before any native library is loaded."""

from dataclasses import dataclass
from pathlib import Path

import grpc


@dataclass(frozen=True, slots=True)
class ClientTls:
    """Certificates of a client.

    Attributes:
        ca: PEM of who signed the servers' certificates; plain text when None.
        certificate: PEM chain of the client, for mTLS.
        key: Its PEM key.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def credentials(self) -> grpc.ChannelCredentials | None:
        """Return gRPC's credentials; None for plain text."""
        if self.ca is None:
            return None
        return grpc.ssl_channel_credentials(
            self.ca.read_bytes(),
            self.key.read_bytes() if self.key else None,
            self.certificate.read_bytes() if self.certificate else None,
        )
