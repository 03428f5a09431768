"""Opens the object store of a server."""

from minio import Minio

from talkmill.artifacts.s3 import S3Store, connect
from talkmill.serving.certificates import read_certificates
from talkmill.serving.settings import StoreSettings
from talkmill.telemetry import metrics


def open_store(settings: StoreSettings, stage: str) -> S3Store:
    """Return the store that settings name; nothing is sent yet."""
    client = store_client(settings)

    def count(direction: str, size: int) -> None:
        metrics.TRANSFER.labels(stage, direction).inc(size)

    return S3Store(client, (settings.work_bucket, settings.dataset_bucket), settings.retry_seconds, count)


def store_client(settings: StoreSettings, public: bool = False) -> Minio:
    """Return a client of the endpoint of the services, or of the public one; nothing is sent yet.

    Raises:
        CertificateError: The file of `ca_certificate` cannot be used.
    """
    endpoint, secure = settings.endpoint, settings.secure
    if public:
        endpoint = settings.public_endpoint or endpoint
        secure = secure if settings.public_secure is None else settings.public_secure
    if settings.ca_certificate is not None:
        # Read again by the client, at the first request, without a word of which file it is.
        read_certificates(settings.ca_certificate, "TALKMILL_STORE__CA_CERTIFICATE")
    secret = settings.secret_key.get_secret_value()
    return connect(endpoint, settings.access_key, secret, secure, settings.region, settings.ca_certificate)
