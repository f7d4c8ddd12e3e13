from pathlib import Path

import pytest

from labelloop.environment import SettingsError
from labelloop_operator.main import main
from labelloop_operator.settings import Settings


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    return {"LABELLOOP_RELAY_URL": "http://labelloop-operator.x.svc:8080/", "LABELLOOP_KEY_FILE": str(key)}


def test_defaults(variables: dict[str, str]) -> None:
    settings = Settings.from_environment(variables)
    assert settings.relay_url == "http://labelloop-operator.x.svc:8080"
    assert (settings.poll_interval, settings.scan_interval, settings.resync_interval) == (30, 1200, 300)
    assert (settings.deregister_timeout, settings.cluster_domain, settings.port) == (60, "cluster.local", 8080)
    assert (settings.watch_namespaces, settings.log_level) == ((), "INFO")
    assert (settings.probe_enabled, settings.probe_interval) == (True, 60)


def test_everything_set(variables: dict[str, str]) -> None:
    settings = Settings.from_environment(
        variables
        | {
            "LABELLOOP_BACKEND_IMAGE": "r/b:1",
            "LABELLOOP_REGISTRY": "r:5000/models/",
            "LABELLOOP_REGISTRY_PLAIN_HTTP": "true",
            "LABELLOOP_WATCH_NAMESPACES": "a, b,a",
            "LABELLOOP_POLL_INTERVAL": "1m30s",
            "LABELLOOP_PROBE_ENABLED": "false",
            "LABELLOOP_PROBE_INTERVAL": "2m",
            "LOG_LEVEL": "debug",
            "POD_NAME": "operator-0",
            "POD_NAMESPACE": "labelloop",
        }
    )
    assert (settings.backend_image, settings.registry_prefix, settings.registry_plain_http) == (
        "r/b:1",
        "r:5000/models",
        True,
    )
    assert settings.watch_namespaces == ("a", "b")
    assert (settings.poll_interval, settings.log_level) == (90, "DEBUG")
    assert (settings.probe_enabled, settings.probe_interval) == (False, 120)
    assert (settings.pod_name, settings.pod_namespace) == ("operator-0", "labelloop")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LABELLOOP_POLL_INTERVAL", "30"),
        ("LABELLOOP_SCAN_INTERVAL", "0s"),
        ("LABELLOOP_RELAY_URL", "operator:8080"),
        ("LABELLOOP_REGISTRY_PLAIN_HTTP", "maybe"),
        ("LABELLOOP_KEY_FILE", "/nowhere/key"),
        ("LABELLOOP_ALLOWED_ADDRESSES", "localhost"),
        ("LABELLOOP_REFUSED_ADDRESSES", "10.0.0.1/8"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_value_is_told_with_its_variable_and_a_remedy(variables: dict[str, str], name: str, value: str) -> None:
    with pytest.raises(SettingsError) as told:
        Settings.from_environment(variables | {name: value})
    assert name in str(told.value)
    assert value in str(told.value)
    assert ": " in str(told.value)


def test_a_short_key_is_refused_and_not_shown(variables: dict[str, str]) -> None:
    Path(variables["LABELLOOP_KEY_FILE"]).write_bytes(b"qwert")
    with pytest.raises(SettingsError, match="holds only 5 bytes") as told:
        Settings.from_environment(variables)
    assert "qwert" not in str(told.value)


def test_a_settings_mistake_ends_the_process_with_2_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LABELLOOP_RELAY_URL", raising=False)
    assert main() == 2
    told = capsys.readouterr().err
    assert "LABELLOOP_RELAY_URL is not set" in told
    assert told.count("\n") == 1


def test_the_api_server_and_what_the_chart_lists_are_refused(variables: dict[str, str]) -> None:
    settings = Settings.from_environment(
        variables
        | {
            "KUBERNETES_SERVICE_HOST": "10.96.0.1",
            "LABELLOOP_REFUSED_ADDRESSES": "192.168.0.0/16, 10.0.0.5:6443",
            "LABELLOOP_ALLOWED_ADDRESSES": "192.168.7.7",
        }
    )
    refused = [("10.96.0.1", 443), ("192.168.1.1", 80), ("10.0.0.5", 6443), ("127.0.0.1", 8080)]
    assert all(settings.addresses.refusal(*address) for address in refused)
    assert not any(settings.addresses.refusal(*address) for address in (("192.168.7.7", 80), ("10.0.0.5", 8080)))
    named = Settings.from_environment(variables | {"KUBERNETES_SERVICE_HOST": "api.managed.example"})
    assert not named.addresses.refused
