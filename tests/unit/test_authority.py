"""What is made here: seals and authorities, for what each is, in files that nobody else can read."""

from __future__ import annotations

import datetime as dt
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bus.directory.certificates import KeyDoubt, objection, unfitness
from bus.documents.authority import Authority, key_of_request
from bus.documents.making import KeyFiles, new_key, new_seal, write_seal
from bus.documents.seal import Seal, read_certificate
from bus.errors import Misconfigured
from tests.assets import factory
from tests.assets.factory import DAY, NOW
from tests.assets.keys import new_key as key_of_kind
from tests.assets.keys import unfit_seal

AUTHORITY = Authority.make("Saraban Bus (sample)")
REQUEST = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bus.admin")])


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def purposes(certificate: x509.Certificate) -> list[x509.ObjectIdentifier]:
    return list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def usage_of(certificate: x509.Certificate) -> x509.Extension[x509.KeyUsage]:
    return certificate.extensions.get_extension_for_class(x509.KeyUsage)


# ── a seal ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_seal_says_that_it_is_for_signatures_and_is_no_authority() -> None:
    seal = new_seal("0100500000")
    usage = usage_of(seal.certificate)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign
    basic = seal.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca) == (True, False)
    assert isinstance(seal.private_key, ec.EllipticCurvePrivateKey)
    assert isinstance(seal.private_key.curve, ec.SECP256R1)
    assert unfitness(seal.certificate) is None
    assert objection(seal.certificate, (), dt.datetime.now(dt.UTC)) is None


def test_no_seal_is_made_of_a_weak_key() -> None:
    with pytest.raises(Misconfigured, match="an RSA key of 1024 bits"):
        new_seal("weak", key=key_of_kind("rsa1024"))


@pytest.mark.parametrize("name", ["", "x" * 65, "ก" * 22, "\udcff", "two\nlines", "\u202eright to left"])
def test_a_name_that_no_certificate_can_bear_is_refused(name: str) -> None:
    with pytest.raises(Misconfigured, match="cannot stand in a certificate"):
        new_seal(name)


@pytest.mark.parametrize("name", ["", "..", "../bus", "keys/bus", "/bus", "bus\n"])
def test_a_name_does_not_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    if name == "..":
        assert KeyFiles.named(tmp_path, name).key.parent == tmp_path
        return
    with pytest.raises(Misconfigured, match="no name of a file"):
        write_seal(factory.seal(), tmp_path, name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_umask")
def test_what_is_written_is_its_owners_alone_from_the_first_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    created: list[int] = []
    opened = os.open

    def watched(path: str | Path, flags: int, mode: int = 0o777, **more: int) -> int:
        descriptor = opened(path, flags, mode, **more)
        if str(path).endswith(".pem"):
            created.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return descriptor

    monkeypatch.setattr(os, "open", watched)
    write_seal(factory.seal(), tmp_path / "keys", "opm")
    AUTHORITY.write(KeyFiles.named(tmp_path / "authority", "ca"))
    assert created == [0o600] * 4
    for folder in ("keys", "authority"):
        assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o700


@pytest.mark.parametrize("there", ["key", "certificate"])
def test_no_file_is_written_over_and_no_half_of_a_pair_is_left(tmp_path: Path, there: str) -> None:
    files = KeyFiles.named(tmp_path, "opm")
    kept = getattr(files, there)
    kept.write_text("what was there")
    with pytest.raises(Misconfigured, match="never written over"):
        write_seal(factory.seal(), tmp_path, "opm")
    assert list(tmp_path.iterdir()) == [kept]
    assert kept.read_text() == "what was there"


def test_a_link_to_nowhere_is_not_written_through(tmp_path: Path) -> None:
    KeyFiles.named(tmp_path, "opm").key.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Misconfigured, match="never written over"):
        write_seal(factory.seal(), tmp_path, "opm")
    assert not (tmp_path / "elsewhere").exists()


# ── the rule at entry ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("make", "doubt"),
    [
        (factory.seal_without_usage, KeyDoubt.USAGE),
        (factory.seal_not_for_signatures, KeyDoubt.USAGE),
        (factory.rsa_1024_seal, KeyDoubt.WEAK),
        (lambda: unfit_seal("k", key_of_kind("secp256k1")), KeyDoubt.WEAK),
    ],
)
def test_what_can_never_sign_is_refused_wherever_it_is_named(
    tmp_path: Path, make: Callable[[], Seal], doubt: KeyDoubt
) -> None:
    seal = make()
    found = unfitness(seal.certificate)
    assert found is not None
    assert found.doubt == doubt
    files = write_seal(seal, tmp_path, "x")
    with pytest.raises(Misconfigured):
        Seal.from_files(files.key, files.certificate)
    with pytest.raises(Misconfigured, match=rf"bus_certificate: .*\(key\.{doubt}\).*key make"):
        read_certificate(files.certificate, "bus_certificate")


@pytest.mark.parametrize(
    ("before", "after", "said"), [(-20, -10, "valid until"), (10, 20, "valid from"), (-1, 10, None)]
)
def test_a_seal_that_is_to_sign_now_has_to_be_in_force(before: int, after: int, said: str | None) -> None:
    seal = new_seal("x", not_before=NOW + before * DAY, not_after=NOW + after * DAY)
    if said is None:
        seal.require_in_force(Path("bus.crt.pem"), NOW)
        return
    with pytest.raises(Misconfigured, match=rf"bus\.crt\.pem: certificate: {said}.*key make"):
        seal.require_in_force(Path("bus.crt.pem"), NOW)


# ── an authority ────────────────────────────────────────────────────────────────────────────────────


def test_an_authority_vouches_for_ends_only(tmp_path: Path) -> None:
    usage = usage_of(AUTHORITY.certificate)
    assert usage.critical
    assert (usage.value.key_cert_sign, usage.value.crl_sign, usage.value.digital_signature) == (
        True,
        True,
        False,
    )
    basic = AUTHORITY.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (basic.ca, basic.path_length) == (True, 0)
    assert "private" not in repr(AUTHORITY)
    files = KeyFiles.named(tmp_path, "ca")
    AUTHORITY.write(files, passphrase="ความลับ")
    assert Authority.from_files(files, "ความลับ").certificate == AUTHORITY.certificate
    with pytest.raises(Misconfigured, match="never written over"):
        AUTHORITY.write(files)


def test_a_seal_is_no_authority(tmp_path: Path) -> None:
    files = write_seal(factory.seal(), tmp_path, "opm")
    with pytest.raises(Misconfigured, match="no authority's"):
        Authority.from_files(files)


def test_a_server_is_vouched_for_by_its_hosts_and_a_client_by_its_user() -> None:
    public = new_key().public_key()
    server = AUTHORITY.server(public, ["mq1.example.go.th", "127.0.0.1", "::1"])
    server.verify_directly_issued_by(AUTHORITY.certificate)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["mq1.example.go.th"]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert purposes(server) == [ExtendedKeyUsageOID.SERVER_AUTH]
    client = AUTHORITY.client(public, "agency.0100500000")
    client.verify_directly_issued_by(AUTHORITY.certificate)
    assert purposes(client) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert [each.value for each in client.subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == [
        "agency.0100500000"
    ]
    for issued in (server, client):
        assert not issued.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        assert issued.not_valid_after_utc <= AUTHORITY.certificate.not_valid_after_utc
    with pytest.raises((InvalidSignature, ValueError)):
        client.verify_directly_issued_by(Authority.make("another").certificate)


def test_nothing_issued_outlives_its_authority() -> None:
    short = Authority.make("short", days=3)
    assert (
        short.client(new_key().public_key(), "x").not_valid_after_utc == short.certificate.not_valid_after_utc
    )


@pytest.mark.parametrize(
    "hosts",
    [[], [""], ["*.example.go.th"], ["mq1.example.go.th\n"], ["a b"], ["-a.th"], ["mq_1.th"], ["x" * 254]],
)
def test_what_is_no_host_is_not_vouched_for(hosts: list[str]) -> None:
    with pytest.raises(Misconfigured):
        AUTHORITY.server(new_key().public_key(), hosts)


def request(
    key: ec.EllipticCurvePrivateKey | None = None, kind: str = "p256"
) -> x509.CertificateSigningRequest:
    """A request that asks for an administrator's name, for being an authority, and for another server's name."""
    return (
        x509.CertificateSigningRequestBuilder(REQUEST)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("depot.example.go.th")]), critical=False)
        .sign(key or key_of_kind(kind), SHA256())
    )


def test_of_a_request_nothing_is_taken_but_its_key() -> None:
    key = new_key()
    public = key_of_request(request(key).public_bytes(Encoding.PEM))
    assert public == key.public_key()
    issued = AUTHORITY.client(public, "agency.0100500000")
    assert "bus.admin" not in issued.subject.rfc4514_string()
    assert not issued.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    with pytest.raises(x509.ExtensionNotFound):
        issued.extensions.get_extension_for_class(x509.SubjectAlternativeName)


def test_a_request_for_somebody_elses_key_is_refused() -> None:
    """Its maker shows another's public key: the signature does not verify with it."""
    der = bytearray(request().public_bytes(Encoding.DER))
    der[-1] ^= 1
    try:
        pem = x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM)
    except ValueError:
        pytest.fail("the forged request has to be readable")
    with pytest.raises(Misconfigured, match="not signed with the key that it is for"):
        key_of_request(pem)


@pytest.mark.parametrize("kind", ["rsa1024", "secp256k1", "p521"])
def test_a_request_for_a_weak_key_is_refused(kind: str) -> None:
    with pytest.raises(Misconfigured, match="certificate request: key: is for an"):
        key_of_request(request(kind=kind).public_bytes(Encoding.PEM))


@pytest.mark.parametrize("pem", [b"", b"no request", factory.seal().certificate.public_bytes(Encoding.PEM)])
def test_what_is_no_request_is_refused(pem: bytes) -> None:
    with pytest.raises(Misconfigured, match="cannot be read"):
        key_of_request(pem)
