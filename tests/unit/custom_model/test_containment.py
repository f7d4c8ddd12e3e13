"""What a custom model does wrong stays with its own tasks, and is reported."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest
from tests.support.custom_models import IMAGE_CONFIG, MODULE, ROOT, VERSION, stored
from tests.support.waiting import PATIENCE, eventually

from labelloop.custom_model_settings import CustomModelSettings
from labelloop.prediction.custom_predictor import CustomPredictor
from labelloop.prediction.model_process import ModelProcessError

Make = Callable[..., CustomPredictor]


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    return stored(tmp_path / "model")


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch, trained: Path) -> Iterator[Make]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    made: list[CustomPredictor] = []

    def predictor(name: str = "Obedient", directory: Path | None = trained, **settings: float) -> CustomPredictor:
        wanted = CustomModelSettings(f"{MODULE}:{name}", **{"load_seconds": PATIENCE, **settings})  # type: ignore[arg-type]
        made.append(CustomPredictor(wanted, directory))
        return made[-1]

    yield predictor
    for each in made:
        each.close()


def task(do: str = "", number: int = 1) -> dict[str, object]:
    return {"id": number, "data": {"image": "http://pictures/1.png", "do": do}}


def choice(entry: object) -> str:
    assert isinstance(entry, dict)
    assert "error" not in entry, entry
    return str(entry["result"][0]["value"]["choices"][0])


def test_answers_have_version_score_and_ids(make: Make) -> None:
    predictor = make()
    entries = predictor.answer([task(), task("numpy")], IMAGE_CONFIG)
    assert [choice(entry) for entry in entries] == ["plane", "plane"]
    assert {entry["model_version"] for entry in entries} == {VERSION}
    assert entries[0]["score"] == 0.9
    assert entries[1]["result"][0]["score"] == 0.25
    assert entries[0]["result"][0]["id"] != entries[1]["result"][0]["id"]
    assert predictor.faults.last is None


@pytest.mark.parametrize(
    ("do", "told"),
    [
        ("raise", "fails with ValueError (custom_models.py:"),
        ("exit", "fails with SystemExit"),
        ("few", "gives 0 predictions for 1 tasks"),
        ("unknown", "gives the label 'submarine'"),
        ("nan", "gives a number that is not finite"),
        ("control", "gives a result for 'other'"),
    ],
)
def test_a_fault_stays_with_its_task(make: Make, do: str, told: str) -> None:
    predictor = make()
    first, wrong, last = predictor.answer([task(), task(do), task()], IMAGE_CONFIG)
    assert choice(first) == choice(last) == "plane"
    assert "result" not in wrong
    assert told in wrong["error"]
    assert predictor.faults.last is not None
    assert told in predictor.faults.last.message
    assert "some text" not in wrong["error"]


def test_a_process_that_dies_is_replaced(make: Make) -> None:
    predictor = make()
    (entry,) = predictor.answer([task("die")], IMAGE_CONFIG)
    assert "ended with exit code 3" in entry["error"]
    assert choice(predictor.answer([task()], IMAGE_CONFIG)[0]) == "plane"


def test_a_prediction_that_takes_too_long_is_ended(make: Make) -> None:
    predictor = make(predict_seconds=3.0)
    (entry,) = predictor.answer([task("hang")], IMAGE_CONFIG)
    assert "took longer than 3 s (LABELLOOP_PREDICT_SECONDS)" in entry["error"]

    def answers_again() -> bool:
        return "result" in predictor.answer([task()], IMAGE_CONFIG)[0]

    eventually(answers_again, PATIENCE, "an answer of the model's next process")


def test_too_much_memory_is_an_error_of_that_task(make: Make) -> None:
    predictor = make(memory_megabytes=1000)
    first, wrong = predictor.answer([task(), task("memory")], IMAGE_CONFIG)
    assert choice(first) == "plane"
    assert "out of memory (LABELLOOP_MODEL_MEMORY_MB)" in wrong["error"]
    assert choice(predictor.answer([task()], IMAGE_CONFIG)[0]) == "plane"


def test_with_two_processes_one_hanging_request_delays_no_other(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LET_GO", str(tmp_path / "let-go"))
    predictor = make(processes=2, predict_seconds=90.0)
    slow: list[object] = []
    thread = Thread(target=lambda: slow.extend(predictor.answer([task("wait-for-file")], IMAGE_CONFIG)))
    thread.start()
    assert choice(predictor.answer([task()], IMAGE_CONFIG)[0]) == "plane"
    assert not slow
    (tmp_path / "let-go").touch()
    thread.join(PATIENCE)
    assert choice(slow[0]) == "plane"


def test_before_a_training_it_says_what_it_can(make: Make) -> None:
    silent, answering = make(directory=None), make("Untrained", None)
    assert silent.version.startswith("cold-")
    assert silent.answer([task()], IMAGE_CONFIG) == [{"model_version": silent.version}]
    assert answering.version == "fixed-1"
    assert choice(answering.answer([task()], IMAGE_CONFIG)[0]) == "plane"


def test_a_model_that_cannot_be_loaded_is_told(make: Make, trained: Path) -> None:
    with pytest.raises(ModelProcessError, match="custom_models:Obedient'"):
        make("Broken")  # another class than the one in model.json
    with pytest.raises(ModelProcessError, match="no_such_module"):
        CustomPredictor(CustomModelSettings("no_such_module:Model", load_seconds=PATIENCE), trained)


def test_an_unsupported_configuration_gives_entries_without_result(make: Make) -> None:
    predictor = make()
    text = '<View><Text name="t" value="$t"/><Choices name="c" toName="t"><Choice value="a"/></Choices></View>'
    assert predictor.answer([task(), "rubbish", {"data": None}], text) == [{"model_version": VERSION}] * 3
