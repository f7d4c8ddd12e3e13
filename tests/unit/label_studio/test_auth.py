import base64
import json
import time
from typing import Any

import pytest
from tests.fakes.play import answer, play, script

from labelloop.label_studio import (
    Authenticator,
    Credentials,
    ExpiredToken,
    InvalidConnection,
    NotLabelStudio,
    Operation,
    Request,
    Response,
    Unauthorized,
)

LEGACY = "abcdef0123456789abcdef0123456789abcdef01"
PAYLOAD = {"ok": True}


def jwt(**claims: Any) -> str:
    parts = ({"alg": "HS256"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + ".sig"


def personal(ends_in: float = 1e9) -> str:
    return jwt(token_type="refresh", exp=int(time.time() + ends_in), jti="p")


def ask(path: str = "/api/x") -> Operation[Response]:
    return (yield Request("GET", path))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Server:
    """Exchanges personal tokens for access tokens that live 300 s by the clock given; checks every request."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.exchanges = 0
        self.valid: dict[str, float] = {}

    def __call__(self, request: Request) -> Response:
        if request.path == "/api/token/refresh/":
            assert (request.method, request.headers) == ("POST", ())
            assert request.json == {"refresh": TOKEN}
            self.exchanges += 1
            access = jwt(token_type="access", iat=5_000, exp=5_300, jti=self.exchanges)  # server's clock is another one
            self.valid[access] = self.clock.now + 300
            return answer({"access": access})
        token = dict(request.headers)["Authorization"].removeprefix("Bearer ")
        accepted = self.valid.get(token, 0) > self.clock.now
        return answer(PAYLOAD) if accepted else answer({"detail": "Given token not valid"}, 401)


TOKEN = personal()


def test_a_legacy_token_is_sent_as_it_is() -> None:
    _, requests = play(Authenticator(LEGACY).authorize(ask()), script(answer(PAYLOAD)))
    assert [request.headers for request in requests] == [(("Authorization", f"Token {LEGACY}"),)]


def test_a_personal_token_is_exchanged_once_and_kept() -> None:
    clock = Clock()
    server, authenticator = Server(clock), Authenticator(TOKEN, clock)
    for seconds in (0, 100, 169):
        clock.now += seconds
        assert play(authenticator.authorize(ask()), server)[0].status == 200
    assert server.exchanges == 1


def test_it_is_renewed_thirty_seconds_before_its_end() -> None:
    clock = Clock()
    server, authenticator = Server(clock), Authenticator(TOKEN, clock)
    play(authenticator.authorize(ask()), server)
    clock.now += 271
    _, requests = play(authenticator.authorize(ask()), server)
    assert [request.path for request in requests] == ["/api/token/refresh/", "/api/x"]


def test_it_is_renewed_in_the_middle_of_an_operation() -> None:
    clock = Clock()
    server = Server(clock)

    def slow() -> Operation[list[int]]:
        statuses = []
        for _ in range(4):
            statuses.append((yield Request("GET", "/api/x")).status)
            clock.now += 200
        return statuses

    assert play(Authenticator(TOKEN, clock).authorize(slow()), server)[0] == [200] * 4
    assert server.exchanges == 2


def test_after_a_401_it_is_renewed_once() -> None:
    clock = Clock()
    server, authenticator = Server(clock), Authenticator(TOKEN, clock)
    play(authenticator.authorize(ask()), server)
    server.valid.clear()
    found, requests = play(authenticator.authorize(ask()), server)
    assert found.status == 200
    assert [request.path for request in requests] == ["/api/x", "/api/token/refresh/", "/api/x"]


def test_a_second_401_is_the_end() -> None:
    access = answer({"access": jwt(token_type="access", iat=0, exp=300)})
    refused = answer({"detail": "User not found"}, 401)
    with pytest.raises(Unauthorized, match=r"User not found.*personal access token is not accepted"):
        play(Authenticator(TOKEN).authorize(ask()), script(access, refused, access, refused))


@pytest.mark.parametrize(
    ("token", "detail", "error", "told"),
    [
        (LEGACY, "Invalid token.", Unauthorized, "the token is unknown there"),
        (
            LEGACY,
            "Authentication token no longer valid: legacy token authentication has been disabled for this organization",
            Unauthorized,
            "make a personal access token",
        ),
        (personal(-86_400), "Token is invalid or expired", ExpiredToken, r"expired on 20\d\d-"),
        (personal(), "Token is blacklisted", ExpiredToken, "was revoked"),
        (personal(), "Token is invalid", Unauthorized, "not accepted there"),
        (jwt(token_type="access", exp=1), "Token has wrong type", ExpiredToken, "use a personal access token"),
    ],
)
def test_each_refusal_has_its_remedy(token: str, detail: str, error: type[Unauthorized], told: str) -> None:
    with pytest.raises(error, match=told) as caught:
        play(Authenticator(token).authorize(ask()), script(answer({"detail": detail}, 401)))
    assert type(caught.value) is error
    assert token not in caught.value.message


def test_a_label_studio_without_personal_tokens() -> None:
    with pytest.raises(NotLabelStudio, match="use a legacy token"):
        play(Authenticator(TOKEN).authorize(ask()), script(answer({"detail": "Not found."}, 404)))


@pytest.mark.parametrize(
    "token", ["a.b", "a.b.c", "....", "a." + base64.urlsafe_b64encode(b"[1]").decode() + ".c", "x" * 9000]
)
def test_whatever_is_no_jwt_is_a_legacy_token(token: str) -> None:
    _, requests = play(Authenticator(token).authorize(ask()), script(answer(PAYLOAD)))
    assert requests[0].headers == (("Authorization", f"Token {token}"),)


def test_an_access_token_that_could_break_headers_is_refused() -> None:
    with pytest.raises(InvalidConnection):
        play(Authenticator(TOKEN).authorize(ask()), script(answer({"access": "a\r\nX-Other: 1"})))


def test_white_space_around_url_and_token_is_dropped() -> None:
    credentials = Credentials(" http://ls.example:8080/base/\n", f"{LEGACY}\n")
    assert credentials.token == LEGACY
    assert credentials.address(Request("GET", "/api/x")) == "http://ls.example:8080/base/api/x"


@pytest.mark.parametrize(
    "url",
    ["", "ls.example", "ftp://ls.example", "http://", "http://ls example", "http://ls:port", "http://ls:99999", "http://ls/?a=1",
     "http://ls/#x", "http://[::1", "http://user:hidden@ls.example"],
)  # fmt: skip
def test_addresses_that_cannot_be_right(url: str) -> None:
    with pytest.raises(InvalidConnection, match=r"^url ") as caught:
        Credentials(url, LEGACY)
    assert "hidden" not in caught.value.message


@pytest.mark.parametrize("token", ["", " \n", "two words", "line\nbreak", "naïve"])
def test_tokens_that_cannot_be_right(token: str) -> None:
    with pytest.raises(InvalidConnection, match=r"^token ") as caught:
        Credentials("http://ls", token)
    assert "two words" not in caught.value.message


@pytest.mark.parametrize(
    "ca", [b"rubbish", b"\xff\xfe", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_ca_that_is_none(ca: bytes) -> None:
    with pytest.raises(InvalidConnection, match=r"^ca\.crt"):
        Credentials("https://ls", LEGACY, ca).tls_context()


def test_secrets_do_not_stand_in_representations() -> None:
    assert LEGACY not in repr(Credentials("http://ls", LEGACY, b"ca"))
    _, requests = play(Authenticator(LEGACY).authorize(ask()), script(answer(PAYLOAD)))
    assert LEGACY not in repr(requests)
