from pathlib import Path

import pytest
import yaml

from labelloop.environment import SettingsError
from labelloop.serving.serving_settings import BasicAuth, RelayTarget, ServingSettings

RELAY = {"LABELLOOP_RELAY_URL": "http://operator:8080/v1/backends/ns/name/", "LABELLOOP_RELAY_SECRET": "secret"}


def test_everything_has_a_default():
    settings = ServingSettings.from_environment({})
    assert (settings.port, settings.log_level, str(settings.model_directory)) == (9090, "INFO", "/opt/labelloop/model")
    assert settings.relay is settings.basic_auth is settings.expected_version is settings.webhook_secret is None


def test_all_variables_are_read():
    settings = ServingSettings.from_environment(
        {
            **RELAY,
            "PORT": "8000",
            "LOG_LEVEL": "debug",
            "LABELLOOP_MODEL_DIR": "/models",
            "LABELLOOP_MODEL_VERSION": "model-1",
            "LABELLOOP_WEBHOOK_SECRET": "hook",
            "BASIC_AUTH_USER": "user",
            "BASIC_AUTH_PASS": "pass:word",
        }
    )
    assert settings.port == 8000
    assert settings.log_level == "DEBUG"
    assert str(settings.model_directory) == "/models"
    assert settings.expected_version == "model-1"
    assert settings.relay == RelayTarget("http://operator:8080/v1/backends/ns/name", "secret")
    assert settings.webhook_secret == "hook"
    assert settings.basic_auth == BasicAuth("user", "pass:word")


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"PORT": "http"}, ("PORT", "'http'", "whole number")),
        ({"PORT": "70000"}, ("PORT", "70000", "65535")),
        ({"LABELLOOP_HOST": "here"}, ("LABELLOOP_HOST", "'here'", "127.0.0.1")),
        ({"LABELLOOP_LOG_FORMAT": "xml"}, ("LABELLOOP_LOG_FORMAT", "'xml'", "text, json")),
        ({"LOG_LEVEL": "loud"}, ("LOG_LEVEL", "'loud'", "WARNING")),
        ({"LABELLOOP_RELAY_URL": "operator"}, ("LABELLOOP_RELAY_URL", "'operator'", "http://")),
        ({"LABELLOOP_RELAY_URL": RELAY["LABELLOOP_RELAY_URL"]}, ("LABELLOOP_RELAY_SECRET", "not set", "NAME-ml-relay")),
        ({"BASIC_AUTH_USER": "user"}, ("BASIC_AUTH_PASS", "not set", "both")),
        ({"BASIC_AUTH_PASS": "pass"}, ("BASIC_AUTH_USER", "not set", "both")),
        ({"BASIC_AUTH_USER": "a:b", "BASIC_AUTH_PASS": "p"}, ("BASIC_AUTH_USER", "'a:b'", "colon")),
    ],
)
def test_wrong_settings_name_variable_value_and_remedy(variables: dict[str, str], told: tuple[str, ...]):
    with pytest.raises(SettingsError) as caught:
        ServingSettings.from_environment(variables)
    assert all(part in str(caught.value) for part in told)


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(SettingsError) as caught:
        ServingSettings.from_environment({"PORT": "x", "LOG_LEVEL": "y", "BASIC_AUTH_USER": "z"})
    assert [line.split()[0] for line in str(caught.value).splitlines()] == ["PORT", "LOG_LEVEL", "BASIC_AUTH_PASS"]


def test_secrets_are_not_shown():
    variables = {**RELAY, "LABELLOOP_WEBHOOK_SECRET": "hook-1", "BASIC_AUTH_USER": "user", "BASIC_AUTH_PASS": "pass-1"}
    shown = repr(ServingSettings.from_environment(variables))
    assert not [secret for secret in ("'secret'", "hook-1", "pass-1") if secret in shown]


@pytest.mark.parametrize(
    ("variables", "host", "is_open"),
    [
        ({}, "127.0.0.1", False),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "0.0.0.0", True),
        ({"LABELLOOP_HOST": "0.0.0.0"}, "0.0.0.0", True),
        ({"LABELLOOP_HOST": "0.0.0.0", "BASIC_AUTH_USER": "a", "BASIC_AUTH_PASS": "b"}, "0.0.0.0", False),
        ({"LABELLOOP_HOST": "::1", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "::1", False),
        ({"LABELLOOP_HOST": "localhost"}, "127.0.0.1", False),
    ],
)
def test_only_a_pod_or_who_asks_for_it_listens_at_all_addresses(variables: dict[str, str], host: str, is_open: bool):
    settings = ServingSettings.from_environment(variables)
    assert (settings.host, settings.is_open) == (host, is_open)


def test_the_images_ask_for_all_addresses():
    root = Path(__file__).parents[3]
    for name in ("bentofile.yaml", "bento_service/labelloop/scaffold/bentofile.yaml.template"):
        envs = {item["name"]: item["value"] for item in yaml.safe_load((root / name).read_text())["envs"]}
        assert envs["LABELLOOP_HOST"] == "0.0.0.0"
