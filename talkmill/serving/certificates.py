"""Reads files of TLS, and says which of them is wrong: gRPC itself does not say more than that a handshake failed."""

import ssl
from pathlib import Path


class CertificateError(OSError):
    """A file of TLS cannot be used; the message names its setting and the file, and says what to do."""


def read_certificates(path: Path, setting: str) -> bytes:
    """Return a file of certificates, which were parsed once.

    Args:
        path: PEM file with at least one certificate.
        setting: Who names the file, such as `TALKMILL_TLS__CLIENT_CA`.

    Raises:
        CertificateError: It cannot be read, or holds no certificate.
    """
    content = _read(path, setting)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=content.decode("ascii", "ignore"))
    except (ssl.SSLError, ValueError) as error:
        key = b"PRIVATE KEY-----" in content
        found = "it is a private key" if key else "it holds no certificate in PEM (-----BEGIN CERTIFICATE-----)"
        raise CertificateError(f"{setting}: {path} cannot be used: {found}") from error
    return content


def read_pair(certificate: Path, key: Path, settings: str) -> tuple[bytes, bytes]:
    """Return a chain of certificates and its key, which belong together.

    Args:
        certificate: PEM chain, the owner's certificate first.
        key: Its PEM key, without a password.
        settings: What the names of both settings begin with, such as `TALKMILL_TLS__`.

    Raises:
        CertificateError: One of them cannot be read or used, or they do not belong together.
    """
    chain_setting, key_setting = f"{settings}CERTIFICATE", f"{settings}KEY"
    chain, secret = read_certificates(certificate, chain_setting), _read(key, key_setting)

    def password() -> str:
        raise CertificateError(f"{key_setting}: {key} has a password; `openssl pkey -in {key}` writes it without one")

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password)
    except ssl.SSLError as error:
        if error.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"):
            raise CertificateError(
                f"{key_setting}: {key} is not the key of the first certificate of {certificate} ({chain_setting}): "
                "give the key that it was made with"
            ) from None
        if b"PRIVATE KEY-----" in secret:
            why = (error.reason or "it cannot be read").replace("_", " ").lower()
            raise CertificateError(f"{key_setting}: {key} cannot be used with {certificate}: {why}") from None
        found = "it is a certificate" if b"BEGIN CERTIFICATE" in secret else "it holds no key in PEM"
        raise CertificateError(f"{key_setting}: {key} cannot be used: {found} (-----BEGIN PRIVATE KEY-----)") from None
    return chain, secret


def _read(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(f"{setting}: {path} cannot be read: {error.strerror}") from error
