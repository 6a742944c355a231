"""Who is at the other end: TLS 1.3 alone, authorities, pins and client certificates, on real sockets."""

import base64
import datetime
import hashlib
import ipaddress
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sazon.core.errors import EnvironmentLacks, PolicyRefused, ProviderError, RecipeError
from sazon.policy.destination import Destination, networks_of, reachable
from sazon.policy.detect.inspector import Inspector
from sazon.policy.detect.patterns import find as patterns
from sazon.policy.transport import Trust
from sazon.testing.fake_provider import FakeProvider
from sazon.testing.gatehouse import KEY, gatehouse

ASKED = {"messages": [{"role": "user", "content": "How do I pay?"}]}


class Authority:
    """Signs certificates for 127.0.0.1, and writes them where sockets read them."""

    def __init__(self, folder):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign("authority", self.key, ca=True)
        self.path = folder / "authority.pem"
        self.path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(self, name, key, *, ca=False):
        now = datetime.datetime.now(datetime.UTC)
        named = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        issuer = named if ca else self.certificate.subject
        builder = (
            x509.CertificateBuilder(issuer_name=issuer, subject_name=named, public_key=key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(1))
            .not_valid_after(now + datetime.timedelta(1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False)
        )
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, name):
        """(path of certificate and key, pin of the key)."""
        key = ec.generate_private_key(ec.SECP256R1())
        path = self.folder / f"{name}.pem"
        path.write_bytes(
            self._sign(name, key).public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return path, "sha256/" + base64.b64encode(hashlib.sha256(public).digest()).decode()


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def server(path, *, highest=ssl.TLSVersion.TLSv1_3, clients=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    context.maximum_version = highest
    if clients is not None:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def ask(folder, provider, trust):
    inspector = Inspector({"patterns": patterns}, timeout_s=10.0, size_limit=100_000)
    with gatehouse(folder, provider, inspector=inspector, trust=trust) as house:
        house.consent("ana")
        return house.ask(ASKED, subjects=["ana"])


def test_a_pinned_key_of_a_known_authority_is_talked_to(authority, tmp_path):
    path, pin = authority.issue("server")
    with FakeProvider(lambda text: "by card", tls=server(path)) as provider:
        passed = ask(tmp_path, provider, Trust(pin=pin, authorities=authority.path))
        assert passed.status == 200
        assert KEY.encode() in provider.received


def test_another_key_of_the_same_authority_hears_nothing(authority, tmp_path):
    path, _ = authority.issue("server")
    _, other = authority.issue("other")
    with FakeProvider(lambda text: "x", tls=server(path)) as provider:
        with pytest.raises(ProviderError, match="pinned key"):
            ask(tmp_path, provider, Trust(pin=other, authorities=authority.path))
        assert provider.received == b""


def test_a_pin_does_not_replace_an_authority(authority, tmp_path):
    path, pin = authority.issue("server")
    with FakeProvider(lambda text: "x", tls=server(path)) as provider:
        with pytest.raises(ProviderError, match="could not be trusted"):
            ask(tmp_path, provider, Trust(pin=pin))
        assert provider.received == b""


def test_older_tls_is_not_spoken(authority, tmp_path):
    path, _ = authority.issue("server")
    with FakeProvider(lambda text: "x", tls=server(path, highest=ssl.TLSVersion.TLSv1_2)) as provider:
        with pytest.raises(ProviderError):
            ask(tmp_path, provider, Trust(authorities=authority.path))
        assert provider.received == b""


def test_a_client_certificate_is_shown_where_one_is_named(authority, tmp_path):
    path, _ = authority.issue("server")
    mine, _ = authority.issue("client")
    context = server(path, clients=authority.path)
    with FakeProvider(lambda text: "x", tls=context) as provider:
        shown = Trust(authorities=authority.path, certificate=mine)
        assert ask(tmp_path, provider, shown).status == 200
        with pytest.raises(ProviderError):
            ask(tmp_path, provider, Trust(authorities=authority.path))


def test_certificate_files_that_cannot_be_used_are_said(tmp_path):
    for trust in (Trust(authorities=tmp_path / "none"), Trust(certificate=tmp_path / "none")):
        with pytest.raises(EnvironmentLacks, match="certificate file"):
            trust.context()


@pytest.mark.parametrize("pin", ["", "sha256/", "sha256/AAAA", "sha1/" + "A" * 44, "sha256/" + "!" * 44])
def test_a_pin_that_could_never_match_is_refused(pin):
    with pytest.raises(RecipeError, match="pin"):
        Trust(pin=pin)


def test_only_private_networks_can_be_named():
    named = networks_of(["10.1.0.0/16", "fd00::/8"])
    url = Destination.parse("https://10.1.2.3/v1", networks=named)
    assert reachable(url, ["10.1.2.3"])
    assert not reachable(url, ["10.2.2.3"])
    assert not reachable(url, ["10.1.2.3", "169.254.169.254"])
    assert not reachable(url, ["::ffff:10.1.2.3"])
    with pytest.raises(PolicyRefused):
        Destination.parse("https://10.2.2.3/v1", networks=named)
    with pytest.raises(PolicyRefused):
        Destination.parse("http://10.1.2.3/v1", networks=named)
    for bad in ("169.254.0.0/16", "127.0.0.0/8", "0.0.0.0/0", "10.0.0.0/7", "8.8.8.0/24", "x", "::/0"):
        with pytest.raises(PolicyRefused, match="private network"):
            networks_of([bad])
