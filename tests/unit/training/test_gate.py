"""The gate: what it refuses, what it lets pass, and what it says about how little it can tell."""

import numpy as np
import pytest
from tests.support.models import AnsweringModel

from labelloop.datasets.examples import Example
from labelloop.label_config.schema import Choice, Control, Schema
from labelloop.metrics import LOG_LOSS
from labelloop.training.gate import GateRules, compare

NAMES = ("a", "b", "c", "d")
RULES = GateRules()


class Answers(AnsweringModel):
    """Sure of one label (or of several) per text."""

    def __init__(self, answers, names=NAMES, sure=0.9):
        self.labels = {"label": names}
        self._answers, self._names, self._sure = answers, names, sure

    def probabilities(self, control, texts):
        rest = (1 - self._sure) / (len(self._names) - 1)
        found = np.full((len(texts), len(self._names)), rest, np.float32)
        for row, text in enumerate(texts):
            for label in self._answers[text]:
                found[row, self._names.index(label)] = self._sure
        return found


def schema(*, multiple=False):
    choices = tuple(Choice(name, path=(name,)) for name in NAMES)
    return Schema((Control("label", "text", "Text", "text", choices, multiple),), "digest")


def truth(count):
    return {f"text {number}": (NAMES[number % 3],) for number in range(count)}


def examples(labels, origins=None):
    return [
        Example(number, text, {"label": names}, (origins or {}).get(text, "manual"))
        for number, (text, names) in enumerate(labels.items())
    ]


def wrong(labels, texts):
    """The same answers, but wrong ones for `texts`."""
    return labels | dict.fromkeys(texts, ("d",))


def some(labels, count, start=0):
    return list(labels)[start : start + count]


def judged(incumbent, candidate, held_out, rules=RULES, *, multiple=False):
    return compare(incumbent, candidate, held_out, schema(multiple=multiple), rules)


def test_a_clearly_worse_candidate_is_refused_with_both_figures():
    labels = truth(400)
    verdict = judged(
        Answers(wrong(labels, some(labels, 20))), Answers(wrong(labels, some(labels, 60))), examples(labels)
    )

    assert (verdict.accepted, verdict.reason) == (False, "WorseThanActive")
    assert "accuracy 0.850 against 0.950" in verdict.message
    assert verdict.figures["candidate"] == 0.85
    assert verdict.figures["incumbent"] == 0.95
    assert verdict.figures["p_value"] < 0.002


@pytest.mark.parametrize("lost", [0, 4])
def test_a_loss_within_the_tolerance_passes(lost):
    labels = truth(400)
    verdict = judged(Answers(labels), Answers(wrong(labels, some(labels, lost))), examples(labels))

    assert (verdict.accepted, verdict.reason) == (True, "Passed")


def test_a_loss_that_chance_explains_passes():
    """12 lost and 4 won of 400: two points worse, but as likely as not by chance."""
    labels = truth(400)
    incumbent, candidate = wrong(labels, some(labels, 4)), wrong(labels, some(labels, 12, start=4))
    verdict = judged(Answers(incumbent), Answers(candidate), examples(labels))

    assert verdict.figures["difference"] == -0.02
    assert verdict.figures["p_value"] == pytest.approx(0.0384, abs=1e-4)  # P(at least 12 of 16 by a fair coin)
    assert verdict.accepted


def test_a_wider_tolerance_lets_more_pass():
    labels = truth(400)
    candidate = Answers(wrong(labels, some(labels, 30)))

    assert not judged(Answers(labels), candidate, examples(labels)).accepted
    assert judged(Answers(labels), candidate, examples(labels), GateRules(tolerance=0.1)).accepted


def test_too_few_texts_pass_and_it_is_said():
    labels = truth(29)
    verdict = judged(Answers(labels), Answers(wrong(labels, list(labels))), examples(labels))

    assert (verdict.accepted, verdict.reason) == (True, "TooFewExamples")
    assert "29 held-out texts are too few" in verdict.message


def test_a_small_holdout_says_how_little_it_can_tell():
    labels = truth(50)
    few = judged(Answers(labels), Answers(labels), examples(labels))
    labels = truth(2000)
    many = judged(Answers(labels), Answers(labels), examples(labels))

    assert few.figures["detectable"] == 0.18  # nine lost texts of 50 are the fewest that tell
    assert "a loss below 0.180 would not have been noticed" in few.message
    assert "noticed" not in many.message


def test_exactly_the_detectable_loss_is_refused():
    labels = truth(50)
    lost_eight, lost_nine = (Answers(wrong(labels, some(labels, count))) for count in (8, 9))

    assert judged(Answers(labels), lost_eight, examples(labels)).accepted
    assert not judged(Answers(labels), lost_nine, examples(labels)).accepted


def test_nothing_held_out_passes():
    assert judged(Answers({}), Answers({}), []).reason == "NothingToCompare"


def test_the_first_trained_model_passes_and_the_floor_holds_for_it_too():
    labels = truth(100)
    candidate = Answers(wrong(labels, some(labels, 40)))

    assert judged(None, candidate, examples(labels)).reason == "NothingToCompare"
    verdict = judged(None, candidate, examples(labels), GateRules(min_accuracy=0.7))
    assert (verdict.accepted, verdict.reason) == (False, "BelowMinimum")
    assert "accuracy 0.600" in verdict.message
    assert "0.7" in verdict.message
    beside = judged(Answers(labels), candidate, examples(labels), GateRules(min_accuracy=0.7))
    assert beside.reason == "BelowMinimum"
    assert "accuracy 0.600 against 1.000 of the model that serves" in beside.message
    assert beside.figures["incumbent"] == 1.0


def test_the_policy_report_lets_pass_what_it_would_have_refused():
    labels = truth(400)
    candidate = Answers(wrong(labels, some(labels, 60)))
    verdict = judged(Answers(labels), candidate, examples(labels), GateRules(mode="Audit"))

    assert (verdict.accepted, verdict.reason) == (True, "WorseThanActive")
    assert "evaluation.mode is Audit" in verdict.message


def test_a_label_the_incumbent_does_not_know_counts_as_its_mistake():
    labels = truth(300)
    verdict = judged(Answers(wrong(labels, some(labels, 0)) | {}, NAMES), Answers(labels), examples(labels))
    old = Answers({text: (names if names != ("c",) else ("a",)) for text, names in labels.items()}, ("a", "b"))
    newer = judged(old, Answers(labels), examples(labels))

    assert verdict.figures["incumbent"] == 1.0
    assert newer.figures["incumbent"] == pytest.approx(2 / 3, abs=1e-6)
    assert newer.accepted


def test_accepted_pre_selections_do_not_protect_the_incumbent():
    """The incumbent is wrong on 100 of 400 texts, annotators corrected 70 and let 30 stand; the candidate is right
    on all. By the stored labels it would gain 70 and lose 30; the truth is that it gains 100."""
    labels = truth(400)
    accepted, corrected = some(labels, 30), some(labels, 70, start=30)
    stored = wrong(labels, accepted)
    origins = dict.fromkeys(labels, "prediction") | dict.fromkeys(corrected, "prediction-changed")
    verdict = judged(Answers(wrong(labels, accepted + corrected)), Answers(labels), examples(stored, origins))

    assert verdict.figures["difference"] == pytest.approx(100 / 400)
    assert verdict.accepted


def test_a_truly_better_candidate_that_looks_worse_passes():
    """It loses 60 texts to accepted mistakes of the incumbent and wins only 30 of the 140 corrected ones."""
    labels = truth(400)
    accepted, corrected = some(labels, 60), some(labels, 140, start=60)
    stored = wrong(labels, accepted)
    origins = dict.fromkeys(labels, "prediction") | dict.fromkeys(corrected, "prediction-changed")
    incumbent = Answers(wrong(labels, accepted + corrected))
    candidate = Answers(wrong(labels, corrected[30:]))

    assert not judged(incumbent, candidate, examples(stored)).accepted  # were these labels made unaided
    assert judged(incumbent, candidate, examples(stored, origins)).accepted


def test_enough_unaided_labels_decide_alone():
    labels = truth(600)
    assisted = some(labels, 400)
    origins = dict.fromkeys(assisted, "prediction")
    candidate = Answers(wrong(labels, some(labels, 40, start=400)))  # worse where nobody was helped only
    verdict = judged(Answers(labels), candidate, examples(labels, origins))

    assert (verdict.accepted, verdict.figures["compared"]) == (False, 200)
    assert verdict.figures["origins"] == {
        "manual": {"candidate": 0.8, "incumbent": 1.0, "examples": 200},
        "assisted": {"candidate": 1.0, "incumbent": 1.0, "examples": 400},
    }


def test_order_does_not_matter():
    labels = truth(200)
    models = Answers(wrong(labels, some(labels, 9))), Answers(wrong(labels, some(labels, 31, start=5)))

    assert judged(*models, examples(labels)) == judged(*models, examples(labels)[::-1])


def test_a_multiple_choice_is_compared_by_the_labels_in_common():
    labels = {f"text {number}": ("a", "b") for number in range(200)}
    half = dict.fromkeys(labels, ("a",))
    verdict = judged(Answers(labels), Answers(wrong(half, some(half, 3))), examples(labels), multiple=True)

    assert (verdict.accepted, verdict.reason) == (False, "WorseThanActive")
    assert verdict.figures["candidate"] == pytest.approx(0.5 * 197 / 200)


def test_log_loss_refuses_a_candidate_that_became_unsure():
    labels = truth(400)
    sure, unsure = Answers(wrong(labels, some(labels, 20))), Answers(wrong(labels, some(labels, 20)), sure=0.5)

    assert judged(sure, unsure, examples(labels)).accepted
    verdict = judged(sure, unsure, examples(labels), GateRules(metric=LOG_LOSS))
    assert not verdict.accepted
    assert verdict.figures["candidate"] > verdict.figures["incumbent"] > 0


def test_as_good_candidates_pass_and_worse_ones_do_not():
    """Simulated rounds: both models err at random and apart from each other."""
    random = np.random.default_rng(0)
    labels = truth(600)
    held_out = examples(labels)

    def erring(rate):
        return Answers(wrong(labels, [text for text in labels if random.random() < rate]))

    as_good = [judged(erring(0.15), erring(0.15), held_out).accepted for _ in range(100)]
    worse = [judged(erring(0.15), erring(0.27), held_out).accepted for _ in range(100)]
    assert sum(as_good) >= 99
    assert sum(worse) <= 5
