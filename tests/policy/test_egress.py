"""The one way out, through real sockets: what gets through, what does not, and what never shows."""

import asyncio
import datetime
import logging
import ssl
import traceback
from dataclasses import dataclass, field

import pytest

from sazon.core.errors import EnvironmentLacks, PolicyRefused, ProviderError, SazonError
from sazon.policy.egress import Egress, system_lookup
from sazon.policy.gate import Gate
from sazon.policy.grant import RunGrant, propose
from sazon.policy.message import Message
from sazon.policy.response import Patience, Response
from sazon.policy.ruling import PUBLIC, Request
from sazon.policy.spending import Limits, Price
from sazon.testing.fake_provider import FakeProvider

KEY = "sk-canary-0f3d9a71"
CANARY_TEXT = "canary text: my knee hurts since Tuesday"
NOW = 1_000_000.0


@dataclass
class Wired:
    gate: Gate
    grant: RunGrant
    egress: Egress
    url: str
    clock: list[float] = field(default_factory=lambda: [NOW])

    def request(self, **changes) -> Request:
        facts = {
            "purposes": ("evaluate", "infer.external"),
            "provider": "frontier",
            "disclosures": PUBLIC,
            "url": f"{self.url}/chat/completions",
            "data_digest": "d1",
            "message": Message(model="big-1", instruction="Classify.", text=CANARY_TEXT),
        }
        return Request(**facts | changes)

    def send(self, **changes) -> Response:
        async def once():
            return await self.egress.send(self.gate.seal(self.request(**changes)))

        return asyncio.run(once())


def make_wired(
    url,
    *,
    price=None,
    limits=None,
    key="CANARY_KEY",
    patience=None,
    lookup=system_lookup,
    environment=None,
) -> Wired:
    clock = [NOW]
    grant = propose(
        purposes=("evaluate", "infer.external"),
        provider="frontier",
        data_name="demo",
        data_digest="d1",
        people=None,
        texts=[CANARY_TEXT],
        url=url,
        model="big-1",
        instruction="Classify.",
        limits=limits or (Limits(money=1e6) if price else Limits(tokens=10_000_000)),
        price=price if isinstance(price, Price) else None,
        key=key,
    ).confirm(now=NOW)
    gate = Gate([grant], clock=lambda: clock[0])
    egress = Egress(
        gate,
        patience=patience or Patience(total_s=10.0),
        lookup=lookup,
        environment={"CANARY_KEY": KEY} if environment is None else environment,
    )
    return Wired(gate=gate, grant=grant, egress=egress, url=url, clock=clock)


def everything_about(error: BaseException) -> str:
    """All a careless logger could print of an error, its causes and its frames' values."""
    seen, parts = set(), []
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
        parts += [repr(error), *shown.format()]
        error = error.__cause__ or error.__context__
    return "\n".join(parts)


def fails(wired: Wired, kind: type[SazonError], **changes) -> SazonError:
    with pytest.raises(kind) as raised:
        wired.send(**changes)
    shown = everything_about(raised.value)
    assert KEY not in shown
    assert CANARY_TEXT not in str(raised.value) + repr(raised.value)
    return raised.value


def test_a_sealed_request_arrives_with_its_key_and_nothing_more():
    with FakeProvider(lambda text: "refund") as provider:
        wired = make_wired(provider.url)
        response = wired.send()
        assert response.status == 200
        assert b"refund" in response.body
        [request] = provider.requests
        assert request["messages"][-1] == {"role": "user", "content": CANARY_TEXT}
        head = provider.received.split(b"\r\n\r\n")[0].decode().lower().split("\r\n")
        assert head[0] == "post /v1/chat/completions http/1.1"
        names = {line.split(":")[0] for line in head[1:]}
        allowed = {"host", "accept", "accept-encoding", "content-type", "user-agent", "authorization"}
        assert names == allowed | {"content-length"}
        assert f"authorization: bearer {KEY.lower()}" in head


def test_usage_is_settled_at_the_price():
    with FakeProvider(lambda text: "refund") as provider:
        wired = make_wired(provider.url, price=Price(input_per_mtok=10.0, output_per_mtok=20.0))
        usage = wired.send().usage
        assert usage.money == pytest.approx(usage.tokens_in * 10e-6 + usage.tokens_out * 20e-6)
        assert wired.grant.account.spent.money == pytest.approx(usage.money)


def test_usage_that_is_not_told_stays_booked_at_its_bound():
    with FakeProvider(lambda text: "refund", always="no_usage") as provider:
        wired = make_wired(provider.url, price=Price(input_per_mtok=10.0, output_per_mtok=20.0))
        bound = wired.gate.seal(wired.request()).tokens_bound
        assert wired.send().usage is None
        assert wired.grant.account.spent.tokens == sum(bound)


@pytest.mark.parametrize("host", ["localhost", "[::1]"])
def test_other_names_of_this_machine(host):
    with FakeProvider(lambda text: "refund") as provider:
        url = provider.url.replace("127.0.0.1", host)
        wired = make_wired(url, lookup=_resolves_to("127.0.0.1"))
        if host == "localhost":
            assert wired.send().status == 200
        else:
            assert fails(wired, ProviderError).retryable  # nobody listens there: allowed, not reached


def _resolves_to(*addresses):
    async def lookup(host, port):
        return list(addresses)

    return lookup


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["169.254.169.254"],
        ["::ffff:127.0.0.1"],
        ["::ffff:a9fe:a9fe"],
        ["10.1.2.3"],
        ["fd00:ec2::254"],
        ["fe80::1%lo"],
        ["8.8.8.8", "127.0.0.1"],
        ["0.0.0.0"],
        ["64:ff9b::7f00:1"],
    ],
)
def test_a_public_name_that_leads_inside_is_refused(addresses):
    with FakeProvider(lambda text: "refund") as provider:
        url = f"https://api.example.com:{provider.port}/v1"
        wired = make_wired(
            url, lookup=_resolves_to(*addresses), price=Price(input_per_mtok=1, output_per_mtok=1)
        )
        assert "private" in str(fails(wired, PolicyRefused))
        assert provider.received == b""
        assert wired.grant.account.spent.money == 0.0


def test_localhost_that_leads_outside_is_refused():
    wired = make_wired("http://localhost:9/v1", lookup=_resolves_to("8.8.8.8"))
    fails(wired, PolicyRefused)


def test_a_name_is_looked_up_once_and_what_was_vetted_is_used():
    answers = iter([["127.0.0.1"], ["8.8.8.8"]])
    asked = []

    async def rebinding(host, port):
        asked.append(host)
        return next(answers)

    with FakeProvider(lambda text: "refund") as provider:
        wired = make_wired(provider.url.replace("127.0.0.1", "localhost"), lookup=rebinding)
        assert wired.send().status == 200
    assert asked == ["localhost"]


def test_redirects_are_never_followed():
    with FakeProvider(lambda text: "x") as elsewhere:
        target = elsewhere.url + "/chat/completions"
        with FakeProvider(lambda text: "x", always="redirect", redirect_to=target) as provider:
            error = fails(make_wired(provider.url), ProviderError)
            assert not error.retryable
        assert elsewhere.received == b""


def test_proxy_variables_are_ignored(monkeypatch):
    with FakeProvider(lambda text: "x") as proxy, FakeProvider(lambda text: "refund") as provider:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert make_wired(provider.url).send().status == 200
        assert proxy.received == b""


@pytest.mark.parametrize("how", ["401", "400", "429", "500"])
def test_bodies_of_errors_are_dropped(how):
    with FakeProvider(lambda text: "x", always=how) as provider:
        response = make_wired(provider.url).send()
        assert (response.status, response.body) == (int(how), b"")


@pytest.mark.parametrize("how", ["cut", "empty", "nonsense", "gzip", "endless", "hang"])
def test_broken_answers_are_errors_without_content(how):
    patience = Patience(total_s=0.3 if how == "hang" else 10.0)
    with FakeProvider(lambda text: "x", always=how) as provider:
        fails(make_wired(provider.url, patience=patience), ProviderError)


def test_nobody_there():
    wired = make_wired("http://127.0.0.1:1/v1", price=Price(input_per_mtok=1, output_per_mtok=1))
    assert fails(wired, ProviderError).retryable
    assert wired.grant.account.spent.money == 0.0


def test_a_certificate_nobody_vouches_for_is_refused(tmp_path):
    with FakeProvider(lambda text: "x", tls=_self_signed(tmp_path)) as provider:
        error = fails(make_wired(provider.url), ProviderError)
        assert not error.retryable
        assert CANARY_TEXT.encode() not in provider.received


def _self_signed(folder):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(1))
    certificate = builder.sign(key, hashes.SHA256())
    pem = folder / "both.pem"
    pem.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def test_the_grant_is_checked_again_at_the_socket():
    with FakeProvider(lambda text: "x") as provider:
        for spoil in (
            lambda w: w.gate.revoke(w.grant),
            lambda w: w.clock.__setitem__(0, w.clock[0] + 3600),
            lambda w: w.clock.__setitem__(0, float("nan")),
        ):
            wired = make_wired(provider.url)
            sealed = wired.gate.seal(wired.request())
            spoil(wired)
            with pytest.raises(PolicyRefused):
                asyncio.run(wired.egress.send(sealed))
        assert provider.received == b""


def test_what_is_not_sealed_by_this_gate_is_not_sent():
    with FakeProvider(lambda text: "x") as provider:
        wired = make_wired(provider.url)
        other = Egress(Gate([wired.grant]), environment={"CANARY_KEY": KEY})
        for thing in (wired.request(), wired.gate.seal(wired.request()), None, b"body"):
            with pytest.raises(PolicyRefused):
                asyncio.run(other.send(thing))
        assert provider.received == b""


def test_other_texts_data_and_addresses_stay_here():
    with FakeProvider(lambda text: "x") as provider, FakeProvider(lambda text: "x") as elsewhere:
        wired = make_wired(provider.url)
        fails(wired, PolicyRefused, message=Message(model="big-1", instruction="Classify.", text="12345678Z"))
        fails(wired, PolicyRefused, data_digest="other")
        fails(wired, PolicyRefused, url=f"{elsewhere.url}/chat/completions")
        assert provider.received == elsewhere.received == b""


def test_the_cap_stops_before_it_is_passed():
    with FakeProvider(lambda text: "refund", always="no_usage") as provider:
        price = Price(input_per_mtok=1000.0, output_per_mtok=1000.0)
        wired = make_wired(provider.url, price=price, limits=Limits(money=1.0))
        bound = price.of(*wired.gate.seal(wired.request()).tokens_bound)
        for _ in range(int(1.0 / bound)):
            wired.send()
        assert 0 < wired.grant.account.spent.money <= 1.0
        before = provider.received
        assert "cap" in str(fails(wired, PolicyRefused))
        assert provider.received == before


def test_at_once_they_do_not_pass_it_either():
    with FakeProvider(lambda text: "refund", always="no_usage") as provider:
        wired = make_wired(provider.url, limits=Limits(tokens=1000))

        async def storm():
            async with wired.egress as egress:
                sent = (egress.send(wired.gate.seal(wired.request())) for _ in range(20))
                return await asyncio.gather(*sent, return_exceptions=True)

        outcomes = asyncio.run(storm())
        assert wired.grant.account.spent.tokens <= 1000
        assert len(provider.requests) == sum(not isinstance(o, PolicyRefused) for o in outcomes) < 20


@pytest.mark.parametrize("key", [None, "", "  ", f"{KEY}\r\nX-Evil: 1", f"{KEY}ñ"])
def test_a_key_that_is_missing_or_odd_is_named_and_not_shown(key):
    with FakeProvider(lambda text: "x") as provider:
        wired = make_wired(provider.url, environment={} if key is None else {"CANARY_KEY": key})
        assert "CANARY_KEY" in str(fails(wired, EnvironmentLacks))
        assert provider.received == b""


def test_a_grant_without_a_key_sends_none():
    with FakeProvider(lambda text: "x") as provider:
        make_wired(provider.url, key=None).send()
        assert b"authorization" not in provider.received.lower()


def test_logs_hold_neither_key_nor_text(caplog):
    caplog.set_level(logging.DEBUG)
    with FakeProvider(lambda text: "x", misbehave=[None, "401", "cut"]) as provider:
        wired = make_wired(provider.url)

        async def talk():
            asyncio.get_running_loop().set_debug(True)
            for _ in range(3):
                try:
                    await wired.egress.send(wired.gate.seal(wired.request()))
                except ProviderError:
                    pass

        asyncio.run(talk())
    assert KEY not in caplog.text
    assert CANARY_TEXT not in caplog.text
    assert KEY not in repr(wired.egress)
