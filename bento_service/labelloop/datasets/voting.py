"""What counts when annotators disagree about a text.

Ground truth outvotes everything else: Label Studio's own mark for "this one is right". Then each annotator has one
vote, the newest of theirs, and the majority wins, as in Label Studio's own consensus; the newest vote breaks a tie, so
that of two annotators the one who came later (a reviewer) is believed. Of a multiple choice each label is voted on.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from labelloop.datasets.rows import Annotation
from labelloop.label_config.schema import Control


@dataclass(frozen=True)
class Vote:
    """An annotation and what it says about one control: at least one label."""

    annotation: Annotation
    labels: tuple[str, ...]


def by_rank(annotations: Sequence[Annotation]) -> list[Annotation]:
    """Ground truth first, then the newest; whatever the order they come in."""
    return sorted(
        annotations,
        key=lambda annotation: (annotation.ground_truth, annotation.updated_at, annotation.id),
        reverse=True,
    )


def settle(ballots: Sequence[Vote], control: Control) -> Vote:
    """The winning labels, with the first annotation that says just these. `ballots`: at least one, `by_rank`."""
    votes = _one_each(ballots)
    if len(votes) == 1:
        return votes[0]
    won = _majority_of_labels(votes) if control.multiple else _majority(votes)
    same = next((vote for vote in votes if won == {*vote.labels}), None)
    return same or replace(votes[0], labels=tuple(sorted(won, key=control.labels.index)))


def _one_each(ballots: Sequence[Vote]) -> list[Vote]:
    """Only ground truth when there is any; of each annotator the first. Those of nobody are votes of their own."""
    decisive = [ballot for ballot in ballots if ballot.annotation.ground_truth] or ballots
    votes: dict[tuple[str, int], Vote] = {}
    for ballot in decisive:
        annotation = ballot.annotation
        person = annotation.completed_by
        votes.setdefault(("annotation", annotation.id) if person is None else ("person", person), ballot)
    return list(votes.values())


def _majority(votes: Sequence[Vote]) -> set[str]:
    times = Counter(vote.labels for vote in votes)
    most = max(times.values())
    return {*next(vote.labels for vote in votes if times[vote.labels] == most)}


def _majority_of_labels(votes: Sequence[Vote]) -> set[str]:
    """Labels that more than half of the votes have, at exactly half those of the newest; the newest if none has."""
    newest = {*votes[0].labels}
    times = Counter(label for vote in votes for label in vote.labels)
    doubled = {label: 2 * count + (label in newest) for label, count in times.items()}
    return {label for label, count in doubled.items() if count > len(votes)} or newest
