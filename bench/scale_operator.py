"""The operator as a process of its own, for `bench.scale`: its settings, its metrics, processor time and memory."""

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from tests.support.ports import free_port
from tests.support.waiting import PATIENCE, eventually

from labcluster import Cluster

ROOT = Path(__file__).resolve().parents[1]
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


class Operator:
    """One life of the operator's process."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        (folder / "key").write_bytes(b"k" * 64)
        self._port = free_port()
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT / 'bento_service'}:{ROOT / 'operator'}",
            "KUBECONFIG": str(cluster.kubeconfig),
            "LABELLOOP_KEY_FILE": str(folder / "key"),
            "LABELLOOP_BACKEND_IMAGE": f"{cluster.registry}/backend:1",
            "LABELLOOP_REGISTRY": f"{cluster.registry}/trained",
            "LABELLOOP_REGISTRY_PLAIN_HTTP": "true",
            "LABELLOOP_RELAY_URL": "http://labelloop-operator.labelloop.svc:8080",
            "LABELLOOP_PORT": str(self._port),
            "LABELLOOP_PROBE_ENABLED": "false",  # no program answers in pods of pretended nodes
            "LABELLOOP_ALLOWED_ADDRESSES": "127.0.0.1",
            "POD_NAME": "operator",
        }
        self._log = folder / "operator.log"
        self._told = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            argv = [sys.executable, "-m", "labelloop_operator"]
            self.process = subprocess.Popen(argv, env=environment, stdout=log, stderr=log)

    def wait_started(self) -> None:
        """Until it says so."""
        eventually(lambda: self.process.poll() is None and b"started" in self._said(), PATIENCE, "the operator's start")

    def reconciles(self) -> float:
        """Successful ones in this life; 0 while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=5) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return 0.0
        return next((float(line.split()[-1]) for line in lines if 'reconcile_total{result="success"}' in line), 0.0)

    def cpu_seconds(self) -> float:
        """Processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def rss_mb(self) -> float:
        """Memory now, in millions of bytes."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * _PAGE / 1e6

    def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(PATIENCE)

    def _said(self) -> bytes:
        with self._log.open("rb") as log:
            log.seek(self._told)
            return log.read()
