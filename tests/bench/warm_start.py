"""How long a warm `stele up` takes to the first accepted command.

`python -m tests.bench.warm_start [REPEATS]` prints medians in seconds: to the `ready` line, and to the first
command that is on disk.
"""

import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path

import httpx

from tests.hub import RunningHub


def measure(hub: RunningHub) -> tuple[float, float]:
    """Seconds from the start of the process to ready, and to the answer of the first command."""
    began = time.monotonic()
    hub.start()
    ready = time.monotonic() - began
    with hub.client() as client:
        answer = client.post(
            "/v1/spaces", json={"name": f"s{uuid.uuid4().hex}"}, headers={"Idempotency-Key": str(uuid.uuid4())}
        )
    accepted = time.monotonic() - began
    assert answer.status_code == httpx.codes.CREATED, answer.text
    return ready, accepted


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory(prefix="stele-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        hub = RunningHub(Path(folder) / "hub")
        cold = measure(hub)
        hub.stop()
        warm = []
        for _ in range(repeats):
            warm.append(measure(hub))
            hub.stop()
    print(f"first start, new data folder: ready {cold[0]:.2f} s, first accepted command {cold[1]:.2f} s")
    ready, accepted = (statistics.median(column) for column in zip(*warm, strict=True))
    print(f"warm start, median of {repeats}: ready {ready:.2f} s, first accepted command {accepted:.2f} s")


if __name__ == "__main__":
    main()
