"""What an operator meets: the cases of the chaos suite, and what must hold in each."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One case; `on_cluster`: also shown on a real cluster."""

    happens: str
    holds: str
    on_cluster: bool = False


CASES = {
    "1": Case(
        "the operator is killed before and after every single write to the API server or Label Studio, in every plan",
        "same end as without the kill; one Job per round",
        on_cluster=True,
    ),
    "2": Case(
        "webhooks dropped, doubled, delayed, reordered",
        "trainings as if each had come once; at most a poll interval later",
        on_cluster=True,
    ),
    "3": Case("any one watch event is lost", "healed by the next complete list"),
    "4": Case("the first list is old: the state at any earlier moment", "no second Job, no way back to an old version"),
    "5": Case(
        "the API server is away for 30 s, or frozen for 90 s",
        "it continues by itself; no child twice; predictions continue",
        on_cluster=True,
    ),
    "6": Case(
        "a watch is open and silent",
        "what it missed is seen within 76 s; a deaf operator says so in /livez",
        on_cluster=True,
    ),
    "7": Case("the service account's token is replaced", "reading, watching and writing go on", on_cluster=True),
    "8": Case(
        "403, 404, 409, 422, 429 with Retry-After, 500, 503, half a body, a lost answer, a reset or no answer at all, "
        "once or three times on each call",
        "same end as without it; nobody is asked before the time they said; a condition tells what a person must mend",
    ),
    "9": Case(
        "another client sets, adds or removes any field of a Deployment, Service, Job or Secret, once or repeatedly, "
        "at any moment, or deletes one",
        "restored, predictions come back by themselves; a client that never stops is named in a condition; labels and "
        "annotations of others stay",
        on_cluster=True,
    ),
    "10": Case(
        "the training pod: out of memory, evicted, image cannot be pulled, deadline, no or a bad result",
        "reason reported, back-off in status, serving untouched",
        on_cluster=True,
    ),
    "11": Case(
        "a new version crash-loops, cannot be pulled or is never ready",
        "removed at the deadline, remembered as refused; what served continues",
        on_cluster=True,
    ),
    "12": Case("the candidate is worse than what serves", "refused and reported; not tried again", on_cluster=True),
    "13": Case(
        "Label Studio is down, slow, refuses the token, lost the project or the webhook, blocks the address",
        "serving continues; the reason is reported; heals by itself",
        on_cluster=True,
    ),
    "14": Case(
        "the resource is deleted while it is registered, trains or rolls out; with Label Studio or the operator down",
        "gone within the limit; nothing is left in Label Studio while that answers",
        on_cluster=True,
    ),
    "15": Case("the namespace is deleted while the operator is down", "it goes, once the operator is back", True),
    "16": Case("the clock jumps by an hour, forwards or back", "no training more; the Lease is safe"),
    "17": Case("two operators work at once by mistake", "one Job per round, same end", on_cluster=True),
    "18": Case("the status, or the annotations, are wiped at any moment", "rebuilt, no update lost", on_cluster=True),
    "19": Case(
        "an upgrade from an earlier version, and back, with one resource training and one in a roll-out",
        "both go on; serving pods are not replaced",
        on_cluster=True,
    ),
    "20": Case(
        "the leader is killed, or frozen and thawed",
        "the next one leads; the frozen one writes nothing",
        on_cluster=True,
    ),
    "21": Case("a resource is edited in any sequence", "same children as with the last spec at once"),
    "22": Case("the registry is down, or an image is gone from it", "serving continues; the reason is reported", True),
    "C1": Case("an annotation is edited, its webhook is lost, nothing else happens", "counted by the next scan", True),
    "C2": Case("annotations are made and deleted between two polls", "counted as documented: not at all"),
    "C3": Case("the only annotation of a task is deleted", "counted"),
    "C4": Case("an annotation becomes a skip, and back", "counted", on_cluster=True),
    "C5": Case("a row is committed 30 s late, with an earlier time", "counted, unless a deletion hides it"),
    "C6": Case(
        "2,500 annotations with one time are changed while a scan pages",
        "the count equals a model of the project, but for the documented under-counts",
    ),
}
