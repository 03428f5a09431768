"""What was freed goes back to the system."""

import subprocess
import sys

import pytest

# Many threads allocate and free at a time, as decoders and fits do.
PROGRAM = """
import sys
from concurrent.futures import ThreadPoolExecutor
from talkmill.environment import bound_memory, return_memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4 // 1024

def work(number):
    return [bytes(100_000) for _ in range(200)]

if sys.argv[1] == "bounded":
    bound_memory()
with ThreadPoolExecutor(8) as pool:
    for _ in range(3):
        kept = [blocks[::50] for blocks in pool.map(work, range(16))]
if sys.argv[1] == "bounded":
    return_memory()
print(resident())
"""


def resident_megabytes(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_freed_memory_goes_back() -> None:
    assert resident_megabytes("bounded") < 0.7 * resident_megabytes("as it is")
