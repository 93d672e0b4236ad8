"""Certificates of public authorities: what the bus takes, in its own way and in the verifier's; each defect once."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from bus.directory import Agency, Directory, PinnedCertificate, directory_of, load_directory, records_of
from bus.directory.authorities import PinnedOrganization, organization_number
from bus.directory.files import certificate_files
from bus.directory.records import content_of
from bus.directory.writing import write_directory
from bus.documents.making import write_seal
from bus.documents.signing import sign, verify
from bus.documents.xml import open_envelope
from bus.errors import Misconfigured, RefusalCode, Refused
from bus.verifier.chains import Voucher, read_chain, require_vouched
from bus.verifier.findings import Broken
from tests.assets import authorities, directories, factory
from tests.assets.authorities import (
    ID,
    ISSUING,
    NUMBER,
    ORGANIZATION,
    OTHER_NUMBER,
    PIN,
    ROOT,
    SIGNER,
    TABLE,
    ListOf,
    Made,
    Of,
    World,
)
from tests.assets.factory import DAY, NOW, OCS, OPM

Code = RefusalCode
IMPOSTOR = replace(ISSUING, key="impostor")


def test_the_last_of_thirteen_digits_is_checked() -> None:
    assert organization_number("0994000164912")
    assert not organization_number("0994000164913")
    assert not organization_number("0994000169412")  # two digits exchanged
    assert not any(map(organization_number, ("", "099400016491", "09940001649121", "๐๙๙๔๐๐๐๑๖๔๙๑๒")))


# ── a signature, judged twice ──────────────────────────────────────────────────────────────────────


def by_gate(made: Made, organization: str = ORGANIZATION) -> RefusalCode | None:
    signed = sign(factory.letter(), made.seal)
    found: set[RefusalCode | None] = set()
    for by_octets in (True, False):
        envelope, vouched = open_envelope(signed.raw), (made.vouched(organization),)
        try:
            verified = verify(envelope, (), NOW, vouched=vouched, by_octets=by_octets)
        except Refused as reason:
            found.add(reason.code)
        else:
            assert verified.fingerprint == made.seal.fingerprint
            found.add(None)
    (one,) = found
    return one


def by_verifier(made: Made, organization: str = ORGANIZATION) -> str | None:
    record = {"chain": made.authority.chain, "lists": made.authority.lists}
    try:
        require_vouched(made.seal.certificate, [Voucher(ID, organization, None, *read_chain(record))], NOW)
    except Broken as error:
        return str(error)
    return None


GOOD: dict[str, World] = {
    "as it is": World(),
    "revoked after this": World(revoked=NOW + DAY),
    "the list comes today": World(of_issuing=ListOf(by=ISSUING, until=NOW)),
}
BAD: dict[str, tuple[World, RefusalCode, str]] = {
    "another authority of the same name": (World(issued_by=IMPOSTOR), Code.KEY_AUTHORITY, "chain"),
    "an authority of another name": (
        World(issued_by=replace(IMPOSTOR, name="Another CA")),
        Code.KEY_AUTHORITY,
        "did not vouch",
    ),
    "issued by the root itself": (World(issued_by=ROOT), Code.KEY_AUTHORITY, "did not vouch"),
    "another organization": (
        World(signer=replace(SIGNER, organization=f"TIN-{OTHER_NUMBER}")),
        Code.KEY_ORGANIZATION,
        "another organization",
    ),
    "no organization": (
        World(signer=replace(SIGNER, organization=None)),
        Code.KEY_ORGANIZATION,
        "another organization",
    ),
    "revoked": (World(revoked=NOW - DAY), Code.KEY_REVOKED, "had revoked"),
    "revoked in this second": (World(revoked=NOW), Code.KEY_REVOKED, "had revoked"),
    "its authority revoked": (World(revoked_issuing=NOW - DAY), Code.KEY_REVOKED, "had revoked"),
    "an old list": (
        World(of_issuing=ListOf(by=ISSUING, until=NOW - DAY)),
        Code.KEY_REVOCATION_LIST_OLD,
        "too old",
    ),
    "an old list of the root": (
        World(of_root=ListOf(by=ROOT, until=NOW - DAY)),
        Code.KEY_REVOCATION_LIST_OLD,
        "too old",
    ),
    "an expired authority": (
        World(issuing=replace(ISSUING, until=NOW - DAY)),
        Code.KEY_AUTHORITY,
        "not valid",
    ),
    "an expired root": (World(root=replace(ROOT, until=NOW - DAY)), Code.KEY_AUTHORITY, "not valid"),
    "something unknown and critical": (
        World(signer=replace(SIGNER, critical=True)),
        Code.KEY_AUTHORITY,
        "no account",
    ),
    "an authority that is none": (
        World(issuing=replace(ISSUING, authority=False, path_length=None)),
        Code.KEY_AUTHORITY,
        "no authority's",
    ),
    "an authority that does not say so": (
        World(issuing=replace(ISSUING, authority=None)),
        Code.KEY_AUTHORITY,
        "chain",
    ),
    "an authority whose key is not for that": (
        World(issuing=replace(ISSUING, uses=authorities.SIGNER_MAY)),
        Code.KEY_AUTHORITY,
        "no authority's",
    ),
    "more authorities than may be": (
        World(root=replace(ROOT, path_length=0)),
        Code.KEY_AUTHORITY,
        "more authorities",
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_certificate_is_taken_for_which_a_pinned_authority_vouches(name: str) -> None:
    made = GOOD[name].made()

    assert by_gate(made) is None
    assert by_verifier(made) is None


@pytest.mark.parametrize("name", BAD)
def test_a_defect_of_the_chain_or_its_lists_is_refused_by_bus_and_verifier(name: str) -> None:
    world, code, words = BAD[name]
    made = world.made()

    assert by_gate(made) is code
    assert words in (by_verifier(made) or "")


def test_openssl_judges_chain_and_lists_alike(tmp_path: Path) -> None:
    """But for what is the bus's own rule: whose organization it is, and which authority of the chain issued it."""
    own_rules = {"another organization", "no organization", "issued by the root itself"}
    judged = {name: by_openssl(world.made(), tmp_path / name) for name, (world, _, _) in BAD.items()}

    assert {name for name, good in judged.items() if good} == own_rules
    assert by_openssl(GOOD["as it is"].made(), tmp_path / "good")


def by_openssl(made: Made, folder: Path) -> bool:
    """Whether openssl takes a certificate as of now, with the chain and the lists of a world."""
    folder.mkdir()
    (issuing, root), signer = made.chain, made.seal.certificate
    for name, one in (("signer", signer), ("issuing", issuing), ("root", root)):
        (folder / name).write_bytes(one.public_bytes(Encoding.PEM))
    (folder / "lists").write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in made.lists))
    when = ["-attime", str(int(NOW.timestamp())), "-crl_check_all"]
    which = ["-CAfile", "root", "-untrusted", "issuing", "-CRLfile", "lists", "signer"]
    done = subprocess.run(["openssl", "verify", *when, *which], cwd=folder, capture_output=True, check=False)
    return done.returncode == 0


def test_the_rule_for_every_certificate_holds_for_these_too() -> None:
    assert by_gate(World(signer=replace(SIGNER, uses=frozenset())).made()) is Code.KEY_USAGE
    assert by_gate(World(signer=replace(SIGNER, uses=frozenset({"key_agreement"}))).made()) is Code.KEY_USAGE
    assert by_gate(World(signer=replace(SIGNER, until=NOW - DAY)).made()) is Code.KEY_EXPIRED
    assert by_gate(World(signer=replace(SIGNER, since=NOW + DAY)).made()) is Code.KEY_NOT_YET_VALID


def test_what_only_looks_like_a_vouched_certificate_is_an_unknown_key() -> None:
    raw = sign(factory.letter(), authorities.world().seal).raw

    with pytest.raises(Refused) as refused:
        verify(open_envelope(raw), (factory.pin(),), NOW)

    assert refused.value.code is Code.KEY_UNKNOWN


def test_a_revoked_pin_of_the_certificate_or_of_its_organization_counts() -> None:
    made = authorities.world()
    envelope = open_envelope(sign(factory.letter(), made.seal).raw)
    itself = factory.pin(made.seal, revoked_at=NOW - DAY)

    for pins, vouched in (((itself,), made.vouched()), ((), made.vouched(revoked_at=NOW - DAY))):
        with pytest.raises(Refused) as refused:
            verify(envelope, pins, NOW, vouched=(vouched,))
        assert refused.value.code is Code.KEY_REVOKED


def test_an_agency_whose_organization_is_pinned_has_a_key_though_its_certificates_are_revoked() -> None:
    lost = replace(PinnedCertificate.of(factory.seal(OPM).certificate), revoked_at=NOW)
    pin = PinnedOrganization(authority=ID, organization=ORGANIZATION)
    agency = Agency(code=OPM, name_th="ก", name_en="A", certificates=(lost,), vouched=(pin,))
    assert not agency.without_key(NOW)
    assert replace(agency, vouched=()).without_key(NOW)
    assert not replace(agency, vouched=()).without_key(NOW - DAY)
    assert replace(agency, vouched=(replace(pin, revoked_at=NOW),)).without_key(NOW)
    assert not replace(agency, certificates=(), vouched=()).without_key(NOW)


def test_of_two_authorities_of_one_name_the_one_that_issued_it_vouches() -> None:
    made, before = authorities.world(), World(issuing=IMPOSTOR, of_issuing=ListOf(by=IMPOSTOR)).made()
    envelope = open_envelope(sign(factory.letter(), made.seal).raw)

    found = verify(envelope, (), NOW, vouched=(before.vouched(), made.vouched()))

    assert found.fingerprint == made.seal.fingerprint


def test_a_refusal_that_the_directory_can_mend_is_not_kept_for_the_same_bytes() -> None:
    for code in (Code.KEY_AUTHORITY, Code.KEY_ORGANIZATION, Code.KEY_REVOCATION_LIST_OLD):
        assert code.circumstantial
        assert code.of_the_seal


# ── in the directory ───────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[..., Directory]:
    """Loads a directory in which OPM has pinned the sample organization, as a world makes it."""

    def load(made: Made | None = None, *, change: tuple[str, str] | None = None) -> Directory:
        for name in directories.SEALS:
            write_seal(directories.SEALS[name](), tmp_path / "keys", name)
        write_seal(factory.seal("bus"), tmp_path / "keys", "bus")
        (made or authorities.world()).write(tmp_path / "keys")
        own = f'certificates = [{{ file = "{OPM}.crt.pem" }}'
        text = directories.text(more=TABLE).replace(own, f'organization = "{NUMBER}"\n{own}, {PIN}')
        if change:
            assert change[0] in text
            text = text.replace(*change)
        file = tmp_path / "agencies.toml"
        file.write_text(text, encoding="utf-8")
        return load_directory(file)

    return load


def test_authority_and_number_are_in_the_directory_and_in_its_records(
    loaded: Callable[..., Directory], tmp_path: Path
) -> None:
    directory = loaded()
    records = records_of(directory)
    again = directory_of(directory.version, records)

    agency: Agency = again.agencies[OPM]
    assert agency.organization == NUMBER
    assert agency.vouched == directory.agencies[OPM].vouched
    assert again.vouched(OPM) == (authorities.world().vouched(),)
    assert again.vouched(OCS) == ()
    # What is written out gives the same records, and a backup takes its files along.
    file = write_directory(directory, tmp_path / "out")
    assert content_of(records_of(load_directory(file))) == content_of(records)
    assert {f"{ID}.chain.pem", f"{ID}-1.crl.pem", f"{ID}-2.crl.pem"} <= certificate_files(file).keys()


FLAWS: dict[str, tuple[World, str]] = {
    "an authority that is none": (
        World(issuing=replace(ISSUING, authority=False, path_length=None)),
        "is not for",
    ),
    "a root that is none": (World(root=replace(ROOT, authority=False)), "is not for"),
    "more authorities than may be": (World(root=replace(ROOT, path_length=0)), "under it"),
    "something unknown and critical": (World(issuing=replace(ISSUING, critical=True)), "no account"),
    "an unsigned list": (World(of_issuing=ListOf(by=ISSUING, signed_with="impostor")), "none of the chain"),
    "a list of another": (
        World(of_issuing=ListOf(by=Of(name="Another CA", key="issuing"))),
        "none of the chain",
    ),
    "a list of changes only": (World(of_issuing=ListOf(by=ISSUING, partial=True)), "not about all"),
}


@pytest.mark.parametrize("name", FLAWS)
def test_an_authority_that_can_never_vouch_is_a_mistake_of_the_directory(
    name: str, loaded: Callable[..., Directory]
) -> None:
    world, words = FLAWS[name]

    with pytest.raises(Misconfigured, match=words):
        loaded(world.made())


def test_a_chain_out_of_order_is_a_mistake(loaded: Callable[..., Directory]) -> None:
    made = authorities.world()

    with pytest.raises(Misconfigured, match="signed by the one after it"):
        loaded(replace(made, chain=made.chain[::-1]))


WRONG: dict[str, tuple[tuple[str, str], str]] = {
    "an unknown authority": ((f'authority = "{ID}"', 'authority = "nobody"'), "no public authority"),
    "a mistyped number": ((f"TIN-{NUMBER}", "TIN-0994000999991"), "last digit does not fit"),
    "no number": ((f"TIN-{NUMBER}", NUMBER), "thirteen digits"),
    "the number of another": ((f"TIN-{NUMBER}", f"TIN-{OTHER_NUMBER}"), f"the agency is {NUMBER}"),
    "a missing list": ((f', "{ID}.issuing.crl"', ""), "not one for each"),
    "a missing file": ((f'"{ID}.chain.pem"', '"nowhere.pem"'), "cannot be read"),
    "one organization for two": (
        (f'{{ file = "{OCS}.crt.pem" }}', f'{{ file = "{OCS}.crt.pem" }}, {PIN}'),
        f"is pinned for {OCS} too",
    ),
    "an authority for the bus": (
        ('{ file = "bus.crt.pem" }', f'{{ file = "bus.crt.pem" }}, {PIN}'),
        "leaves the bus's own to an authority",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_pin_of_an_organization_that_cannot_be_meant_is_a_mistake(
    name: str, loaded: Callable[..., Directory]
) -> None:
    change, words = WRONG[name]

    with pytest.raises(Misconfigured, match=words):
        loaded(change=change)


def test_the_certificate_of_one_agencys_organization_is_not_pinned_for_another(
    loaded: Callable[..., Directory], tmp_path: Path
) -> None:
    write_seal(authorities.world().seal, tmp_path / "keys", "vouched")

    with pytest.raises(Misconfigured, match=f"is the certificate of {OPM} too"):
        loaded(change=(f'{{ file = "{OCS}.crt.pem" }}', '{ file = "vouched.crt.pem" }'))
