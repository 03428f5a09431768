"""Certificates for calling the stages. Light: settings import it before any native library is loaded."""

from dataclasses import dataclass
from pathlib import Path

import grpc

from talkmill.serving.certificates import read_certificates, read_pair


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

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key come together")
        if self.certificate and not self.ca:
            raise ValueError("certificate needs ca: without it the stages are called in plain text")

    def credentials(self) -> grpc.ChannelCredentials | None:
        """Return gRPC's credentials; None for plain text.

        Raises:
            CertificateError: A file cannot be used.
        """
        if self.ca is None:
            return None
        ca, chain, key = read_certificates(self.ca, "TALKMILL_STAGE_TLS__CA"), None, None
        if self.certificate and self.key:
            chain, key = read_pair(self.certificate, self.key, "TALKMILL_STAGE_TLS__")
        return grpc.ssl_channel_credentials(ca, key, chain)
