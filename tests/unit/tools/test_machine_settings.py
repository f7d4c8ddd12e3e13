"""Index, certificate and proxy settings of the machine."""

import subprocess
from pathlib import Path

import pytest
from tools.images import machine_settings as module
from tools.images.build_stage import dockerfile
from tools.images.machine_settings import MachineSettings, machine_settings

INDEX = "https://user:pa$$word@index.example/simple"


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_INSECURE_HOST"):
        monkeypatch.delenv(name, raising=False)
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", *module.PROXY_VARIABLES, *module.CERTIFICATE_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "pip.conf").write_text("")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))


@pytest.mark.parametrize("variable", ["PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"])
def test_the_index_may_come_from_variables_of_pip_and_uv(monkeypatch: pytest.MonkeyPatch, variable: str):
    monkeypatch.setenv(variable, INDEX)
    assert machine_settings().uv["UV_DEFAULT_INDEX"] == INDEX


def test_the_index_may_come_from_pips_file(tmp_path: Path):
    (tmp_path / "pip.conf").write_text(
        f"[global]\nindex-url = {INDEX}\nextra-index-url =\n  https://a/\n  https://b/\n"
    )

    settings = machine_settings()

    assert settings.uv["UV_DEFAULT_INDEX"] == INDEX
    assert settings.uv["UV_INDEX"].split() == ["https://a/", "https://b/"]


def test_uvs_own_variable_goes_before_pips(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PIP_INDEX_URL", "https://pip.example/")
    monkeypatch.setenv("UV_DEFAULT_INDEX", INDEX)
    assert machine_settings().uv["UV_DEFAULT_INDEX"] == INDEX


def test_certificates_are_the_first_that_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    bundle = tmp_path / "own.crt"
    bundle.write_text("certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.crt"))
    monkeypatch.setenv("PIP_CERT", str(bundle))
    assert machine_settings().certificates == bundle


def test_values_reach_the_build_stage_as_they_are():
    settings = MachineSettings(uv={"UV_DEFAULT_INDEX": INDEX}, proxies={"HTTP_PROXY": 'a "b" \\c'}, certificates=None)

    text = dockerfile("base", settings)

    # Docker's words in double quotes know the same two escapes as the shell's do.
    assignments = text.splitlines()[-1].removeprefix("ENV ")
    shell = f'{assignments}; printf "%s\\n" "$UV_DEFAULT_INDEX" "$HTTP_PROXY"'
    told = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == [INDEX, 'a "b" \\c']
