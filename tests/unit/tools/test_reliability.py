"""The reliability page names the cases and tests that there are."""

from tests.chaos.cases import CASES
from tools.reliability import PAGE, Shown, listed, marked, missing, page


def test_every_case_has_its_tests() -> None:
    assert missing(marked()) == []


def test_tests_name_cases_that_exist() -> None:
    assert {case for shown in marked() for case in shown.cases} <= set(CASES)


def test_the_page_lists_cases_and_tests_as_they_are() -> None:
    assert listed(PAGE.read_text()) == listed(page(marked(), {})), "run: python -m tools.reliability --docs"


def test_a_case_without_a_passing_test_is_told() -> None:
    shown = [Shown("tests/chaos/test_a.py::test_a", ("1",)), Shown("tests/e2e/test_b.py::test_b", ("1",))]
    passed, failed = {"failed": 0}, {"failed": 1}
    assert "case 1: no passing test on the cluster" in missing(shown, {shown[0].name: passed, shown[1].name: failed})
    assert "case 1: no passing test on fakes" in missing(shown, {})
    assert not [told for told in missing(shown, dict.fromkeys([item.name for item in shown], passed)) if " 1:" in told]


def test_a_failure_shows_on_the_page() -> None:
    result = {"failed": 1, "tests": 3, "seconds": 1.5, "date": "2026-11-22"}
    shown = Shown("tests/chaos/test_a.py::test_a", ("1",))
    text = page([shown], {shown.name: result})
    assert "`chaos/test_a.py::test_a` FAILED (3 times, 1.5 s, 2026-11-22)" in text
    assert listed(text)["1"] == {shown.name}
