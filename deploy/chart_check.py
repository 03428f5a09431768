"""`make chart-check`: lint, render, validate and checkov of the chart with every values file, by Helm 3 and 4."""

import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.local import tools
from talkmill.environment import cache_folder

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "helm" / "talkmill"
KUBERNETES = ("1.31", "1.37")
# checkov pins much of what it needs: it gets an environment of its own.
CHECKOV = "checkov==3.3.30"
# What the clusters have that the values files ask for.
APIS = ("gateway.networking.k8s.io/v1", "keda.sh/v1alpha1", "monitoring.coreos.com/v1")
# Where the images are is no matter of a values file.
REGISTRY = "registry.example.com/talkmill"
# Values that are a part of a whole, and the whole that they are tested with.
LAID_OVER = {"spot-values.yaml": "production-values.yaml"}


def values_files() -> list[Path]:
    """Return the values files that the chart is tested with."""
    return sorted((CHART / "ci").glob("*-values.yaml"))


def chosen(values: Path) -> list[str]:
    """Return the options that choose a values file, what it is laid over, and a registry."""
    files = [CHART / "ci" / LAID_OVER[values.name], values] if values.name in LAID_OVER else [values]
    return [word for file in files for word in ("--values", str(file))] + ["--set", f"image.registry={REGISTRY}"]


def helm(words: Sequence[str], major: int = 4) -> "subprocess.CompletedProcess[str]":
    """Run Helm."""
    program = tools.helm(cache_folder() / "tools", major)
    return subprocess.run([program, *words], capture_output=True, text=True, check=False)


def render(values: Path, major: int = 4, *words: str) -> "subprocess.CompletedProcess[str]":
    """Render the chart with a values file, for a cluster that has what it asks for."""
    apis = [word for api in APIS for word in ("--api-versions", api)]
    command = ["template", "talkmill", str(CHART), "--namespace", "talkmill", *chosen(values), *apis, *words]
    return helm(command, major)


def validate(rendered: Path, version: str) -> "subprocess.CompletedProcess[str]":
    """Compare rendered objects with the schemas of a version of Kubernetes."""
    program = Path(sys.executable).with_name("kubernetes-validate")
    command = [str(program), "-k", version, "--strict", str(rendered)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def main() -> int:
    """Check everything; returns the exit code."""
    checkov = _checkov()
    with TemporaryDirectory() as folder:
        failures = [values.name for values in values_files() if _fails(values, checkov, Path(folder))]
    return 1 if failures else 0


def _fails(values: Path, checkov: Path, folder: Path) -> bool:
    """Check the chart with one values file."""
    failed = False
    for major in tools.KUBECTL_LAYERS:
        lint = helm(["lint", "--strict", str(CHART), *chosen(values)], major)
        rendered = render(values, major)
        path = folder / f"{values.stem}-helm{major}.yaml"
        path.write_text(rendered.stdout)
        failed |= _say(f"helm {major} lint", values, lint) | _say(f"helm {major} template", values, rendered)
        for version in KUBERNETES:
            failed |= _say(f"kubernetes-validate {version}", values, validate(path, version))
    command = [str(checkov), "--config-file", str(ROOT / "helm" / "checkov.yaml"), "--file", str(path)]
    failed |= _say("checkov", values, subprocess.run(command, capture_output=True, text=True, check=False))
    return failed


def _checkov() -> Path:
    home = cache_folder() / "tools" / CHECKOV
    program = home / "bin" / "checkov"
    if not program.exists():
        venv.create(home, with_pip=True, clear=True)
        subprocess.run([home / "bin" / "python", "-m", "pip", "install", "--quiet", CHECKOV], check=True)
    return program


def _say(what: str, values: Path, done: "subprocess.CompletedProcess[str]") -> bool:
    print(f"{what}, {values.name}: {'failed' if done.returncode else 'clean'}")
    if done.returncode:
        print(done.stdout[-4000:], done.stderr[-4000:])
    return bool(done.returncode)


if __name__ == "__main__":
    sys.exit(main())
