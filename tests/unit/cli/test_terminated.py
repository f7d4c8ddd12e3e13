"""SIGTERM to process 1 of a container."""

import os
import signal
import sys
from collections.abc import Iterator

import pytest

from labelloop import __main__ as program


@pytest.fixture
def handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(("pid", "ends"), [(1, True), (2, False)])
@pytest.mark.usefixtures("handler")
def test_the_first_process_of_a_container_ends_when_told_to(
    monkeypatch: pytest.MonkeyPatch, pid: int, ends: bool
) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    monkeypatch.setattr(os, "getpid", lambda: pid)
    monkeypatch.setattr(sys, "argv", ["labelloop", "--help"])
    with pytest.raises(SystemExit):
        program.main()
    if not ends:
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
        return
    with pytest.raises(SystemExit) as ended:
        signal.raise_signal(signal.SIGTERM)
    assert ended.value.code == 143
