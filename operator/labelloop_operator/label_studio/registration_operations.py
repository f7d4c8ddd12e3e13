"""Registering a backend in Label Studio, as operations composed of the library's small ones (no I/O here either).

Order and traps: label-studio-protocol notes 2 and 7. The webhook comes first, since Label Studio makes one without our
secret otherwise; a PATCH carries everything again; a create that the SSRF guard refused halfway is cleaned up.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labelloop.label_studio import (
    AddressBlocked,
    Backend,
    NotFound,
    Operation,
    Selection,
    Webhook,
    backends,
    create_backend,
    create_webhook,
    delete_backend,
    delete_webhook,
    select,
    update_backend,
    update_webhook,
    webhooks,
)
from labelloop_operator.api.label_studio_objects import WEBHOOK_ACTIONS

OWNER_HEADER = "Labelloop-Owner"
"""Of our webhooks: the resource's uid. In two clusters resources of one name have webhooks to one address."""
CLUSTER_HEADER = "Labelloop-Cluster"
"""Of our webhooks: the cluster's id. A resource that was made again takes over what it left under another uid."""


@dataclass(frozen=True)
class Owner:
    """Whose registration it is: the mark in `extra_params` and the address Label Studio calls."""

    uid: str
    project: int
    url: str
    cluster: str = ""
    """The cluster's id; empty: not known."""
    resource: str = ""
    """namespace/name."""

    @property
    def webhook_url(self) -> str:
        """Where events go: Label Studio's own rule for the address of a backend's webhook."""
        return webhook_url(self.url)

    def owns(self, found: Backend) -> bool:
        """Ours by its mark, or unmarked and with our address (made by hand).

        One cluster has one resource of a name at a time: what carries another uid was left by a predecessor.
        """
        mark = _mark(found.extra_params)
        if mark is None:
            return found.url.rstrip("/") == self.url.rstrip("/")
        same = bool(self.cluster) and (mark.get("cluster"), mark.get("resource")) == (self.cluster, self.resource)
        return same or mark.get("uid") == self.uid

    def owns_webhook(self, found: Webhook) -> bool:
        """To our address, and not marked as that of another resource; a predecessor's is ours, as in `owns`."""
        marked, cluster = _header(found, OWNER_HEADER), _header(found, CLUSTER_HEADER)
        same = bool(self.cluster) and cluster == self.cluster
        return found.url == self.webhook_url and (same or marked in (None, self.uid))

    def headers(self, secret: str) -> dict[str, str]:
        """What our webhook carries."""
        marks = {OWNER_HEADER: self.uid, CLUSTER_HEADER: self.cluster} if self.cluster else {OWNER_HEADER: self.uid}
        return {"Authorization": authorization(secret), **marks}

    def authorizes(self, found: Webhook, secret: str) -> bool:
        """Whether a webhook carries exactly that."""
        return all(_header(found, name) == value for name, value in self.headers(secret).items())


def webhook_url(url: str) -> str:
    """The webhook address that belongs to a backend's address."""
    return f"{url.rstrip('/')}/webhook"


def authorization(secret: str) -> str:
    """What our webhook carries in its Authorization header."""
    return f"Bearer {secret}"


def ensure_webhook(
    owner: Owner, secret: str, webhook_id: int | None, remove: Sequence[int] = ()
) -> Operation[list[Webhook]]:
    """Create our webhook, or set the known one right; returns the project's webhooks to our address afterwards.

    The list is read first, and again afterwards: a webhook that was made meanwhile is adopted or removed.
    """
    headers = owner.headers(secret)
    present = yield from _our_webhooks(owner)
    chosen = next((hook for hook in present if hook.id == webhook_id), present[0] if present else None)
    if chosen is None:
        chosen = yield from create_webhook(owner.project, owner.webhook_url, WEBHOOK_ACTIONS, headers)
    elif not is_right(owner, chosen, secret):
        chosen = yield from update_webhook(chosen.id, owner.webhook_url, WEBHOOK_ACTIONS, headers)
    for hook_id in {*remove, *(hook.id for hook in present)} - {chosen.id}:
        yield from delete_webhook(hook_id)
    return (yield from _our_webhooks(owner))


def is_right(owner: Owner, hook: Webhook, secret: str) -> bool:
    """Whether a webhook already sends what we need, with our secret and marks."""
    return (
        hook.is_active
        and hook.send_payload
        and not hook.send_for_all_actions
        and set(hook.actions) == set(WEBHOOK_ACTIONS)
        and owner.authorizes(hook, secret)
    )


def ensure_backend(
    owner: Owner,
    title: str,
    backend_id: int | None,
    extra_params: Mapping[str, Any],
    basic_auth: tuple[str, str] | None = None,
    remove: Sequence[int] = (),
    select_for: Collection[str] | None = None,
) -> Operation[tuple[list[Backend], Selection | None]]:
    """Create or repair our ML backend; returns all of the project, or only the updated one, and what annotators get.

    `select_for`: titles of the project's other backends when ours is the first, whose predictions are to be shown.
    """
    if backend_id is not None:
        try:
            made = yield from update_backend(
                backend_id, owner.project, owner.url, title, extra_params=dict(extra_params), basic_auth=basic_auth
            )
        except NotFound:
            backend_id = None
        else:
            for duplicate in set(remove) - {backend_id}:
                yield from delete_backend(duplicate)
            if select_for is None:
                return [made], None
            return [made], (yield from select(owner.project, title, select_for))
    try:
        yield from create_backend(
            owner.project, owner.url, title, extra_params=dict(extra_params), basic_auth=basic_auth
        )
    except AddressBlocked:
        # The guard for backends is open and that for webhooks closed: a connected backend without webhook stays behind.
        yield from _remove_backends(owner)
        raise
    present = yield from backends(owner.project)
    ours = [found for found in present if owner.owns(found)]
    for extra in ours[1:]:
        yield from delete_backend(extra.id)
    left = [found for found in present if found not in ours[1:]]
    if not ours or left[0] != ours[0]:
        return left, None
    return left, (yield from select(owner.project, title, [found.title for found in left[1:]]))


def deregister(owner: Owner) -> Operation[None]:
    """Remove our ML backend, then our webhook; what is gone already, or with its project, is fine."""
    try:
        yield from _remove_backends(owner)
        for hook in (yield from _our_webhooks(owner)):
            yield from delete_webhook(hook.id)
    except NotFound:
        return


def _remove_backends(owner: Owner) -> Operation[None]:
    for found in (yield from backends(owner.project)):
        if owner.owns(found):
            yield from delete_backend(found.id)


def _our_webhooks(owner: Owner) -> Operation[list[Webhook]]:
    found = yield from webhooks(owner.project)
    return [hook for hook in found if owner.owns_webhook(hook)]


def marked_resource(found: Backend) -> str:
    """namespace/name of the resource that made this backend; empty when none of ours did."""
    resource = (_mark(found.extra_params) or {}).get("resource")
    return resource if isinstance(resource, str) else ""


def _header(hook: Webhook, wanted: str) -> str | None:
    return next((value for name, value in hook.headers.items() if name.lower() == wanted.lower()), None)


def _mark(extra_params: object) -> Mapping[str, Any] | None:
    mark = extra_params.get("labelloop") if isinstance(extra_params, Mapping) else None
    return mark if isinstance(mark, Mapping) else None
