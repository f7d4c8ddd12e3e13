"""Which connections of a pod are watches."""

from tests.support.network import at_rest

LINE = "0 0 10.244.0.5:{port} {peer} cubic wscale:7,7 rto:204 bytes_sent:517 {said}lastrcv:90 lastack:90 minrtt:0.05"


def line(port: int, peer: str = "10.96.0.1:443", said: str = "lastsnd:30000 ") -> str:
    return LINE.format(port=port, peer=peer, said=said)


def test_watches_have_said_nothing_for_long_and_go_to_the_api_server() -> None:
    sockets = [
        line(40001),
        line(40002, said="lastsnd:1900 "),
        line(40003, peer="10.96.7.7:8080"),
        line(40004, said=""),
        line(40005, peer="[fd00::1]:443", said="lastsnd:20000 "),
    ]
    assert at_rest("\n".join(sockets)) == [40001, 40005]
