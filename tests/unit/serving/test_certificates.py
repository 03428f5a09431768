"""What is wrong with a file of TLS, or with an address to listen on, is said by its setting and its name."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from orchestrator.tls import ClientTls
from talkmill.serving.certificates import CertificateError
from talkmill.serving.server import start_server
from talkmill.serving.settings import ServerSettings, StoreSettings
from talkmill.serving.stores import store_client


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """good.pem and good.key, other.key of another certificate, ca.pem, and what is none of these."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name in ("good", "other"):
        issued = authority.issue_cert("localhost")
        issued.private_key_pem.write_to_path(folder / f"{name}.key")
        issued.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
    key = serialization.load_pem_private_key((folder / "good.key").read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"password")
    (folder / "locked.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
    )
    (folder / "torn.key").write_bytes((folder / "good.key").read_bytes()[:60] + b"\n-----END PRIVATE KEY-----\n")
    (folder / "empty").write_bytes(b"")
    (folder / "binary").write_bytes(bytes(range(256)))
    (folder / "folder").mkdir()
    return folder


def started(**settings: object) -> None:
    async def run() -> None:
        listen = {"port": 0, "metrics_port": 0} | settings.pop("listen", {})  # type: ignore[operator]
        server = await start_server(ServerSettings(listen=listen, **settings), lambda server: ())
        await server.stop(0)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("certificate", "key", "client_ca", "told"),
    [
        ("absent", "good.key", None, "TALKMILL_TLS__CERTIFICATE: {}/absent cannot be read: No such file"),
        ("folder", "good.key", None, "TALKMILL_TLS__CERTIFICATE: {}/folder cannot be read: Is a directory"),
        ("empty", "good.key", None, "TALKMILL_TLS__CERTIFICATE: {}/empty cannot be used: it holds no certificate"),
        ("binary", "good.key", None, "TALKMILL_TLS__CERTIFICATE: {}/binary cannot be used: it holds no certificate"),
        ("good.key", "good.key", None, "TALKMILL_TLS__CERTIFICATE: {}/good.key cannot be used: it is a private key"),
        ("good.pem", "absent", None, "TALKMILL_TLS__KEY: {}/absent cannot be read: No such file"),
        ("good.pem", "empty", None, "TALKMILL_TLS__KEY: {}/empty cannot be used: it holds no key"),
        ("good.pem", "good.pem", None, "TALKMILL_TLS__KEY: {}/good.pem cannot be used: it is a certificate"),
        ("good.pem", "torn.key", None, "TALKMILL_TLS__KEY: {}/torn.key cannot be used with {}/good.pem"),
        ("good.pem", "other.key", None, "TALKMILL_TLS__KEY: {}/other.key is not the key of the first certificate of {}"),
        ("good.pem", "locked.key", None, "TALKMILL_TLS__KEY: {}/locked.key has a password"),
        ("good.pem", "good.key", "empty", "TALKMILL_TLS__CLIENT_CA: {}/empty cannot be used: it holds no certificate"),
        ("good.pem", "good.key", "absent", "TALKMILL_TLS__CLIENT_CA: {}/absent cannot be read: No such file"),
    ],
)  # fmt: skip
def test_the_file_that_is_wrong_is_named(
    certificate: str, key: str, client_ca: str | None, told: str, files: Path
) -> None:
    tls = {"certificate": files / certificate, "key": files / key, "client_ca": client_ca and files / client_ca}
    with pytest.raises(CertificateError) as caught:
        started(tls=tls)
    assert str(caught.value).startswith(told.replace("{}", str(files)))
    # The same for the files of the orchestrator's own client, by their own settings.
    told = told.replace("TALKMILL_TLS__CLIENT_CA", "TALKMILL_STAGE_TLS__CA").replace("_TLS__C", "_STAGE_TLS__C", 1)
    told = told.replace("TALKMILL_TLS__K", "TALKMILL_STAGE_TLS__K").replace("STAGE_STAGE", "STAGE")
    with pytest.raises(CertificateError) as caught:
        ClientTls(files / (client_ca or "ca.pem"), files / certificate, files / key).credentials()
    assert str(caught.value).startswith(told.replace("{}", str(files)))


def test_what_belongs_together_is_taken(files: Path) -> None:
    started(tls={"certificate": files / "good.pem", "key": files / "good.key", "client_ca": files / "ca.pem"})
    assert ClientTls(files / "ca.pem", files / "good.pem", files / "good.key").credentials() is not None
    assert ClientTls().credentials() is None


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"certificate": "good.pem"}, "together"),
        ({"ca": "ca.pem", "key": "good.key"}, "together"),
        ({"certificate": "good.pem", "key": "good.key"}, "needs ca"),
    ],
)
def test_a_client_certificate_without_its_parts_is_refused(given: dict[str, str], told: str, files: Path) -> None:
    """Without a CA the calls would go in plain text, and the certificate would stay unused."""
    with pytest.raises(ValueError, match=told):
        ClientTls(**{name: files / path for name, path in given.items()})


def test_the_store_s_authority_is_read_at_the_start(files: Path) -> None:
    with pytest.raises(CertificateError, match=r"TALKMILL_STORE__CA_CERTIFICATE: .*empty cannot be used"):
        store_client(StoreSettings(ca_certificate=files / "empty"))
    store_client(StoreSettings(ca_certificate=files / "ca.pem"))


@pytest.mark.parametrize("setting", ["port", "health_port", "metrics_port"])
def test_a_port_that_is_taken_is_named_by_its_setting(setting: str, free_port: Callable[[], int]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=rf"TALKMILL_LISTEN__{setting.upper()}: .*127.0.0.1:{port}: Address already"):
            started(listen={setting: port})


@pytest.mark.parametrize("address", ["192.0.2.1", "no.such.host.invalid"])
def test_an_address_that_is_none_of_this_machine_is_told(address: str) -> None:
    with pytest.raises(OSError, match=r"TALKMILL_LISTEN__ADDRESS: cannot listen on "):
        started(listen={"address": address, "plain_text": True})
