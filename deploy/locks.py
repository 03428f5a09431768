"""`make locks`: deploy/docker/constraints.txt, the hash of every package that an image installs.

The versions are those of constraints.txt. uv resolves for every platform, so that one file serves all images.
"""

import subprocess
import sys
from pathlib import Path

from deploy.images import images

ROOT = Path(__file__).resolve().parents[1]
LOCK = "deploy/docker/constraints.txt"
# Of the images for CUDA, beside the groups of every image.
TENSORRT = "tensorrt"
# Of no group: pip itself, what builds the wheel of the project, and what builds TensorRT's.
BUILDERS = ("pip", "setuptools", "wheel-stub")
HEADER = """# Written by make locks: what images may install, by version and hash; versions: constraints.txt.
# tensorrt-cu13-libs of PyPI fetches NVIDIA's wheel from NVIDIA's index when it is built: that has no hash here.
"""


def main() -> int:
    """Write the file; returns the exit code."""
    wanted = sorted({image.stage for image in images()} | {image.extra for image in images()} | {TENSORRT})
    groups = [word for name in wanted for word in ("--group", f"pyproject.toml:{name}")]
    command = [str(Path(sys.executable).with_name("uv")), "pip", "compile", "--quiet", "--universal", *groups, "-"]
    command += ["--python-version", "3.11", "--constraint", "constraints.txt", "--generate-hashes"]
    command += ["--no-annotate", "--no-header", "--default-index", "https://pypi.org/simple"]
    done = subprocess.run(command, cwd=ROOT, input="\n".join(BUILDERS), capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        return 1
    (ROOT / LOCK).write_text(HEADER + done.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
