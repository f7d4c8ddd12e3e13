"""`labelloop` for the code blocks of pages: `labelloop serve` stays until the page ends, everything else as it is.

A server's process id is added to the file that SERVERS names, and it is ready when this program ends.
"""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

DEADLINE = 300.0


def main() -> None:
    command = [sys.executable, "-m", "labelloop", *sys.argv[1:]]
    if sys.argv[1:2] != ["serve"] or "--help" in sys.argv:
        os.execv(sys.executable, command)
    log = Path(os.environ["SERVERS"]).with_suffix(".log")
    with log.open("ab") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    with Path(os.environ["SERVERS"]).open("a") as file:
        file.write(f"{server.pid}\n")
    arguments = dict(zip(sys.argv, sys.argv[1:], strict=False))
    port = arguments.get("--port", os.environ.get("PORT", "9090"))
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    sys.exit(f"labelloop serve is not ready: {log.read_text()[-2000:]}")


if __name__ == "__main__":
    main()
