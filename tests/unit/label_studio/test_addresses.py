import socket
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.in_thread import label_studio
from tests.fakes.label_studio import TOKEN

from labelloop import label_studio as library
from labelloop.label_studio.addresses import AddressPolicy, Entry, RefusedAddressError
from labelloop.label_studio.client import LabelStudioClient

DEFAULT = AddressPolicy()


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("127.8.7.6", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::127.0.0.1", "loopback"),
        ("64:ff9b::7f00:1", "loopback"),
        ("2002:7f00:1::", "loopback"),
        ("169.254.1.1", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("169.254.169.254", "metadata"),
        ("::ffff:169.254.169.254", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("100.100.100.200", "metadata"),
        ("168.63.129.16", "metadata"),
        ("0.0.0.0", "no address"),
        ("0.1.2.3", "no address"),
        ("::", "no address"),
        ("224.0.0.1", "no address"),
        ("255.255.255.255", "no address"),
        ("ff02::1", "no address"),
    ],
)
def test_what_is_refused_by_default(address: str, kind: str) -> None:
    told = DEFAULT.refusal(address, 80)
    assert told is not None
    assert kind in told


@pytest.mark.parametrize("address", ["10.96.3.4", "192.168.1.10", "172.16.0.1", "93.184.216.34", "fd00::10", "2606::1"])
def test_addresses_of_services_and_hosts_are_not(address: str) -> None:
    assert DEFAULT.refusal(address, 8080) is None


def test_the_api_server_is_refused_at_its_own_address_and_at_its_port_of_a_node() -> None:
    policy = DEFAULT.refusing(["10.96.0.1", "[10.0.0.5]:6443"])
    assert "API server" in (policy.refusal("10.96.0.1", 8080) or "")
    assert "API server" in (policy.refusal("::ffff:10.0.0.5", 6443) or "")
    assert policy.refusal("10.0.0.5", 30080) is None


def test_what_is_allowed_is_never_refused() -> None:
    policy = AddressPolicy.parse(["127.0.0.0/8", "10.0.0.5:6443"], ["10.0.0.0/8"])
    assert policy.refusal("127.0.0.1", 80) is None
    assert policy.refusal("10.0.0.5", 6443) is None
    assert policy.refusal("10.0.0.5", 6444) is not None


@pytest.mark.parametrize("text", ["", "example.org", "10.0.0.1/8", "10.0.0.1:0", "10.0.0.1:http", "[::1]:70000", "1:2"])
def test_what_is_no_network_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"(?i)port|not appear|host bits"):
        Entry.parse(text)


addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
entries = st.builds(Entry.parse, addresses) | st.builds(
    lambda address, port: Entry.parse(f"[{address}]:{port}"), addresses, st.integers(1, 65_535)
)


@given(st.builds(AddressPolicy, st.tuples(entries), st.tuples(entries, entries)))
def test_a_policy_survives_the_environment_of_a_pod(policy: AddressPolicy) -> None:
    assert AddressPolicy.from_json(policy.to_json()) == policy


@pytest.mark.parametrize("text", ["", "[]", "1", '{"allowed": 1}', '{"refused": ["x"]}'])
def test_a_damaged_policy_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"(?i)expect|object of lists|not appear"):
        AddressPolicy.from_json(text)


def client(url: str, policy: AddressPolicy | None) -> LabelStudioClient:
    return LabelStudioClient(library.Credentials(url, TOKEN), addresses=policy)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "2130706433", "0x7f.1"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_client_of_pods_does_not_connect(host: str, scheme: str) -> None:
    with label_studio() as fake:
        port = fake.url.rpartition(":")[2]
        with (
            client(f"{scheme}://{host}:{port}", DEFAULT) as refusing,
            pytest.raises(library.AddressRefused, match="allowedAddresses") as told,
        ):
            refusing.run(library.project(7))
        assert TOKEN not in str(told.value)
        assert not fake.calls


def test_the_client_of_pods_connects_where_it_may() -> None:
    with label_studio() as fake:
        fake.add_project(7)
        for policy in (None, AddressPolicy.parse(["127.0.0.0/8"])):
            with client(fake.url, policy) as allowed:
                assert allowed.run(library.project(7)).id == 7


def test_a_name_is_judged_by_the_address_that_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: a name that is harmless when it is asked for the first time."""
    answers = iter(["192.0.2.1", "127.0.0.1"])
    asked: list[str] = []

    def resolver(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    attempts: list[object] = []

    def connect(address: tuple[str, int], *_: Any) -> socket.socket:
        attempts.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr("labelloop.label_studio.guarded_connections.socket.getaddrinfo", resolver)
    monkeypatch.setattr("labelloop.label_studio.guarded_connections.create_connection", connect)
    with client("http://rebinding.example", DEFAULT) as refusing:
        with pytest.raises(library.Unreachable):
            refusing.run(library.project(7))
        with pytest.raises(library.AddressRefused, match=r"127\.0\.0\.1 is loopback"):
            refusing.run(library.project(7))
    assert asked == ["rebinding.example"] * 2
    assert attempts == ["192.0.2.1"]  # an IP address: nobody resolves the name again behind our back


def test_an_address_that_is_refused_when_a_broken_connection_is_made_anew_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    troubles = iter([requests.ConnectionError("closed"), RefusedAddressError("169.254.169.254", "link-local")])

    def exchange(*_: object) -> library.Response:
        raise next(troubles)

    client = LabelStudioClient(library.Credentials("http://label-studio.example", "token"), addresses=DEFAULT)
    monkeypatch.setattr(client, "_exchange_once", exchange)
    with pytest.raises(library.AddressRefused, match=r"169\.254\.169\.254"):
        client.run(library.project(7))
