from pathlib import Path

import pytest

from labelloop.environment import SettingsError
from labelloop.local.local_settings import DEFAULT_LABEL_STUDIO, LocalSettings
from labelloop.serving.serving_settings import ServingSettings

TOKEN = "0123456789abcdef0123456789abcdef01234567"


def read(tmp_path: Path, **variables: str) -> LocalSettings:
    return LocalSettings.from_environment({"MODEL_DIR": str(tmp_path), **variables})


def test_the_variables_of_the_sklearn_example(tmp_path: Path):
    variables = {
        "LABEL_STUDIO_HOST": "http://label-studio:8080/",
        "LABEL_STUDIO_API_KEY": TOKEN,
        "START_TRAINING_EACH_N_UPDATES": "3",
        "LOGISTIC_REGRESSION_C": "5",
        "MODEL_DIR": str(tmp_path),
        "BASIC_AUTH_USER": "user",
        "BASIC_AUTH_PASS": "pass",
        "LOG_LEVEL": "DEBUG",
        "WORKERS": "2",
        "THREADS": "8",
    }
    settings = ServingSettings.from_environment(variables)
    assert (settings.workers, settings.threads, settings.log_level, settings.port) == (2, 8, "DEBUG", 9090)
    assert settings.local is not None
    assert settings.local.credentials is not None
    assert (settings.local.credentials.url, settings.local.credentials.token) == ("http://label-studio:8080", TOKEN)
    assert (settings.local.updates_per_training, settings.local.directory) == (3, tmp_path)
    assert settings.local.warnings() == []


def test_blank_variables_count_as_unset_as_in_the_compose_file_of_the_example(tmp_path: Path):
    settings = read(tmp_path, LABEL_STUDIO_API_KEY="", LABEL_STUDIO_HOST="", BASIC_AUTH_USER="")
    assert settings.credentials is None
    (line,) = settings.warnings()
    assert line.startswith("LABEL_STUDIO_API_KEY is not set")


def test_a_token_alone_means_the_label_studio_on_this_machine(tmp_path: Path):
    settings = read(tmp_path, LABEL_STUDIO_API_KEY=TOKEN)
    assert settings.credentials is not None
    assert settings.credentials.url == DEFAULT_LABEL_STUDIO


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"LABEL_STUDIO_API_KEY": TOKEN, "LABEL_STUDIO_HOST": "localhost:8080"}, "LABEL_STUDIO_HOST is"),
        ({"LABEL_STUDIO_API_KEY": TOKEN, "LABEL_STUDIO_URL": "ftp://x"}, "LABEL_STUDIO_URL is 'ftp://x'"),
        ({"LABEL_STUDIO_API_KEY": "two words"}, "LABEL_STUDIO_API_KEY cannot be used: token holds white space"),
        ({"LABEL_STUDIO_API_KEY": TOKEN, "LABEL_STUDIO_CA_FILE": "/nowhere"}, "LABEL_STUDIO_CA_FILE is '/nowhere'"),
        ({"START_TRAINING_EACH_N_UPDATES": "0"}, "START_TRAINING_EACH_N_UPDATES is '0': use at least 1"),
        ({"START_TRAINING_EACH_N_UPDATES": "ten"}, "START_TRAINING_EACH_N_UPDATES is 'ten'"),
        ({"LOGISTIC_REGRESSION_C": "-1"}, "LOGISTIC_REGRESSION_C is '-1'"),
        ({"LABELLOOP_PROJECTS": "1,x"}, "LABELLOOP_PROJECTS is '1,x'"),
        ({"LABELLOOP_REGISTER_URL": "http://localhost:9090"}, "LABELLOOP_PROJECTS is not set"),
        ({"LABELLOOP_KEEP_VERSIONS": "1"}, "LABELLOOP_KEEP_VERSIONS is '1': use at least 2"),
        ({"LABELLOOP_PARAMETERS": "C=3"}, "LABELLOOP_PARAMETERS is not JSON"),
        ({"LABELLOOP_PREDICTIONS_SCOPE": "Some"}, "LABELLOOP_PREDICTIONS_SCOPE is 'Some': use one of Unlabelled"),
        ({"LABELLOOP_PREDICTIONS_LIMIT": "0"}, "LABELLOOP_PREDICTIONS_LIMIT is '0': use at least 1"),
        ({"LABELLOOP_PREDICTIONS_KEEP_VERSIONS": "0"}, "LABELLOOP_PREDICTIONS_KEEP_VERSIONS is '0': use at least 1"),
    ],
)
def test_a_wrong_setting_is_one_line_with_its_name(tmp_path: Path, variables: dict[str, str], told: str):
    with pytest.raises(SettingsError) as raised:
        read(tmp_path, **variables)
    assert str(raised.value).splitlines() == [str(raised.value)]
    assert told in str(raised.value)
    assert TOKEN not in str(raised.value)


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(SettingsError) as raised:
        ServingSettings.from_environment({"PORT": "x", "WORKERS": "0", "START_TRAINING_EACH_N_UPDATES": "x"})
    assert len(str(raised.value).splitlines()) == 3


def test_without_model_dir_models_are_kept_at_home_or_it_is_told(tmp_path: Path):
    assert LocalSettings.from_environment({"HOME": str(tmp_path)}).directory == tmp_path / ".local/share/labelloop"
    assert LocalSettings.from_environment({"XDG_DATA_HOME": str(tmp_path)}).directory == tmp_path / "labelloop"
    (tmp_path / "file").touch()
    nowhere = LocalSettings.from_environment({"HOME": str(tmp_path / "file")})
    assert nowhere.temporary
    assert any(line.startswith("MODEL_DIR is not set") for line in nowhere.warnings())


def test_behind_an_operator_there_is_no_local_mode():
    variables = {"LABELLOOP_RELAY_URL": "http://operator:8080/v1/x", "LABELLOOP_RELAY_SECRET": "s"}
    assert ServingSettings.from_environment(variables).local is None
