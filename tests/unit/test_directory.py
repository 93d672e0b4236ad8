"""The directory: what its file may say, what it answers, and its canonical JSON."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from bus import assets
from bus.directory import (
    BUS,
    Agency,
    Directory,
    PinnedCertificate,
    directory_of,
    load_directory,
    records_of,
    require_readable,
)
from bus.directory.clusters import require_known_clusters
from bus.directory.records import content_of, digest_of, records_in
from bus.directory.speaking import speaking
from bus.documents.making import new_seal, write_seal
from bus.errors import Misconfigured
from bus.identifiers import AgencyCode
from tests.assets import directories
from tests.assets.factory import DGA, ETDA, NOW, OCS, OCSC, OPDC, OPM, SOC

SEVEN = (OPM, OCS, SOC, OCSC, OPDC, DGA, ETDA)
UNIT, STRANGER = AgencyCode("0100500001"), AgencyCode("9999900000")
Loading = Callable[..., Directory]

MINIMAL = """
version = 3
[bus]
certificates = [{{ file = "bus.crt.pem" }}]
{more}
"""
ONE = """
[[agency]]
code = "0100500000"
name_th = "สลค."
name_en = "SOC"
certificates = [{ file = "0100500000.crt.pem" }]
"""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate for each of the seven agencies, for the bus, and one to spare."""
    folder = tmp_path_factory.mktemp("keys")
    for name in (*SEVEN, "bus", "new"):
        write_seal(new_seal(name), folder, name)
    for name, seal in directories.FAULTY.items():
        write_seal(seal(), folder, name)
    return folder


@pytest.fixture
def shipped(keys: Path) -> Directory:
    return load_directory(assets.path("config/agencies.toml"), certificates=keys)


@pytest.fixture
def load(tmp_path: Path, keys: Path) -> Loading:
    """Loads a directory that consists of the bus and of what the test writes."""

    def loaded(more: str, *, whole: bool = False) -> Directory:
        path = tmp_path / "agencies.toml"
        path.write_text(more if whole else MINIMAL.format(more=more), encoding="utf-8")
        return load_directory(path, certificates=keys)

    return loaded


@pytest.fixture
def wrong(load: Loading) -> Callable[..., dict[str, str]]:
    """Loads what is wrong and returns what was said, by key."""

    def said(more: str, *, whole: bool = False) -> dict[str, str]:
        with pytest.raises(Misconfigured) as caught:
            load(more, whole=whole)
        problems = caught.value.problems
        assert all(each.file.endswith("agencies.toml") and each.fix for each in problems)
        assert len({each.key for each in problems}) == len(problems), [each.key for each in problems]
        return {each.key: each.wrong for each in problems}

    return said


def _agency(code: str, certificate: str | None = None, **more: str) -> str:
    lines = [f'code = "{code}"', 'name_th = "หน่วยงาน (ตัวอย่าง)"', 'name_en = "Agency (sample)"']
    lines += [f'certificates = [{{ file = "{certificate or code}.crt.pem" }}]'] if certificate != "" else []
    return "\n".join(["[[agency]]", *lines, *(f"{key} = {value}" for key, value in more.items())]) + "\n"


# ── the shipped example ─────────────────────────────────────────────────────────────────────────────


def test_the_shipped_directory_has_the_seven_agencies(shipped: Directory) -> None:
    assert tuple(shipped.agencies) == SEVEN
    assert shipped.agencies[DGA].abbrev_th == "สพร."
    assert shipped.agencies[ETDA].prefixes == ("ดศ (สพธอ)",)
    assert shipped.inboxes == SEVEN
    assert shipped.members("all") == SEVEN
    assert set(shipped.members("founding-seven") or ()) == set(SEVEN)
    assert shipped.subscribers("announcements") == (OPM, SOC, OCSC, DGA, ETDA)
    assert all(len(agency.certificates) == 1 for agency in shipped.agencies.values())


def test_the_certificates_folder_may_be_the_files_own(keys: Path, tmp_path: Path) -> None:
    path = tmp_path / "agencies.toml"
    text = assets.path("config/agencies.toml").read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    (tmp_path / "keys").symlink_to(keys)
    assert load_directory(path) == load_directory(path, certificates=keys)


# ── what it answers ─────────────────────────────────────────────────────────────────────────────────


def test_pins_are_the_agencys_the_buss_or_nobodys(shipped: Directory, keys: Path) -> None:
    (pin,) = shipped.pins(SOC)
    expected = x509.load_pem_x509_certificate((keys / f"{SOC}.crt.pem").read_bytes())
    assert pin.certificate == expected
    assert pin.fingerprint == expected.fingerprint(SHA256()).hex()
    assert pin.revoked_at is None
    assert shipped.pins(BUS) == shipped.bus_certificates
    assert shipped.pins(STRANGER) == ()


def test_a_unit_without_an_inbox_is_reached_through_its_nearest_parent_that_has_one(load: Loading) -> None:
    directory = load(
        ONE
        + _agency("0100500001", "", parent='"0100500000"', inbox="false")
        + _agency("0100500002", "", parent='"0100500001"', inbox="false")
    )
    assert directory.inbox_of(AgencyCode("0100500002")) == directory.inbox_of(UNIT) == SOC
    assert directory.inbox_of(SOC) == SOC
    assert directory.inbox_of(AgencyCode("0100500003")) is None
    assert directory.inboxes == (SOC,)


def test_everyone_is_every_agency_with_an_inbox_suspended_ones_included(load: Loading) -> None:
    directory = load(
        ONE
        + _agency(UNIT, "", parent='"0100500000"', inbox="false")
        + _agency(OCS, "", state='"suspended"')
        + '[[group]]\nid = "all"\nname_th = "ทุกหน่วยงาน"\nname_en = "All"\nmembers = ["*"]\n'
    )
    assert directory.members("all") == (SOC, OCS)
    assert not directory.agencies[OCS].active
    assert directory.members("none") is None
    assert directory.subscribers("none") is None


def test_what_a_unit_reads_is_what_its_inboxs_adapter_reads(load: Loading) -> None:
    directory = load(
        _agency(SOC, reads='["letter/1.0", "letter/1.1", "notice/1.0"]')
        + _agency(UNIT, "", parent='"0100500000"', inbox="false")
        + _agency(OCS)
    )
    assert directory.reads(UNIT, "letter/1.1")
    assert directory.reads(OCS, "letter/1.0")
    assert not directory.reads(OCS, "letter/1.1")
    assert not directory.reads(STRANGER, "letter/1.0")


@pytest.mark.parametrize(
    ("code", "number", "fits"),
    [
        (SOC, "นร 0505/ว 165", True),
        (SOC, "นร 0105/1", False),
        (SOC, "0505/ว 165", False),
        (ETDA, "ดศ (สพธอ) 511.05/1234", True),
        (DGA, "สพร 2569/1", True),
        (DGA, "สพรม 2569/1", False),
        (DGA, "สพรี 2569/1", False),
        ("9999900000", "อก 0905/0007", True),
    ],
)
def test_a_number_that_begins_otherwise_is_noticed(
    shipped: Directory, code: AgencyCode, number: str, fits: bool
) -> None:
    assert shipped.prefix_fits(code, number) is fits


# ── canonical JSON ──────────────────────────────────────────────────────────────────────────────────


def test_canonical_json_carries_the_whole_directory(load: Loading) -> None:
    revoked = "revoked_at = 2026-11-22T08:30:00Z"
    directory = load(
        f'[[agency]]\ncode = "{SOC}"\nname_th = "สลค."\nname_en = "SOC"\nsealed = true\nsuccessor = "{OCS}"\n'
        f'certificates = [{{ file = "{SOC}.crt.pem", {revoked} }}, {{ file = "new.crt.pem" }}]\n'
        + _agency(OCS, prefixes='["นร 09"]', abbrev_th='"สคก."')
        + _agency(UNIT, "", parent=f'"{SOC}"', inbox="false", state='"suspended"')
        + f'[[topic]]\nid = "news"\nname_th = "ข่าว"\nname_en = "News"\nsubscribers = ["{OCS}", "{SOC}"]\n'
        + '[[group]]\nid = "none"\nname_th = "ว่าง"\nname_en = "Empty"\nmembers = []\n'
    )
    records = records_of(directory)
    raw = content_of(records)
    again = directory_of(directory.version, records_in(raw))
    require_readable(records, records)
    assert again == directory
    assert content_of(records_of(again)) == raw
    assert directory.agencies[SOC].certificates[0].revoked_at == datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
    assert '"นร 09"'.encode() in raw


def test_the_order_of_the_file_does_not_change_the_digest_but_every_word_does(load: Loading) -> None:
    first, second = _agency(SOC), _agency(OCS)
    digest = _digest(load(first + second))
    assert _digest(load(second + first)) == digest
    assert _digest(load(first + second.replace("(sample)", "(Sample)"))) != digest


def _digest(directory: Directory) -> str:
    return digest_of(content_of(records_of(directory)))


@pytest.mark.parametrize(
    "content",
    [
        b"agency/1 {}",
        b"no-key\n",
        b"topic/b {}\ntopic/a {}\n",
        b"topic/a {}\ntopic/a {}\n",
        "กลุ่ม/a {}\n".encode(),
    ],
)
def test_content_that_is_not_in_its_one_form_is_refused(content: bytes) -> None:
    with pytest.raises(Misconfigured):
        records_in(content)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("agency/0100500000", b"{"),
        ("agency/0100500000", b"[]"),
        ("agency/0100500000", b'{"code":"0100500000"}'),
        ("agency/0100500000", b'{"code":"0100600000","name_en":"x","name_th":"x","state":"suspended"}'),
        ("group/all", b'{"id":"none","members":[],"name_en":"x","name_th":"x"}'),
        ("stranger/x", b"{}"),
        ("bus", b'{"certificates":[{"pem":"x"}]}'),
        (
            "bus",
            b'{"certificates":[{"pem":"-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----"}]}',
        ),
    ],
)
def test_a_record_that_cannot_be_read_is_refused_before_it_is_in_force(key: str, value: bytes) -> None:
    line = f"{key} ".encode() + value
    with pytest.raises(Misconfigured):
        require_readable({key: line}, [key])


# ── clusters ────────────────────────────────────────────────────────────────────────────────────────


def test_an_agency_is_on_main_unless_the_file_names_another_cluster(load: Loading) -> None:
    directory = load(
        _agency(OPM)
        + _agency(SOC, cluster='"north-1"')
        + _agency(DGA, cluster='"main"')
        + _agency(UNIT, "", parent=f'"{SOC}"', inbox="false")
    )
    assert {code: directory.cluster_of(code) for code in (OPM, SOC, DGA, UNIT, STRANGER)} == {
        OPM: "main",
        SOC: "north-1",
        DGA: "main",
        UNIT: None,
        STRANGER: None,
    }
    assert set(directory.clusters) == {"main", "north-1"}
    assert directory.inboxes_on("main") == (OPM, DGA)
    assert directory.inboxes_on("north-1") == (SOC,)
    assert directory.inboxes_on("south") == ()


def test_a_record_names_a_cluster_only_where_it_is_not_main(load: Loading) -> None:
    directory = load(_agency(SOC, cluster='"north"') + _agency(DGA, cluster='"main"'))
    records = records_of(directory)
    require_readable(records, records)
    assert [key for key, line in records.items() if b'"cluster"' in line] == [f"agency/{SOC}"]
    assert directory_of(directory.version, records).cluster_of(SOC) == "north"


def test_a_cluster_that_the_settings_do_not_have_is_named_with_its_agencies(load: Loading) -> None:
    directory = load(_agency(OPM) + _agency(SOC, cluster='"north"') + _agency(DGA, cluster='"nroth"'))
    require_known_clusters(directory, ("main", "north", "nroth", "south"), "agencies.toml")
    with pytest.raises(Misconfigured) as caught:
        require_known_clusters(directory, ("main", "north"), "agencies.toml")
    (problem,) = caught.value.problems
    assert (problem.key, problem.wrong) == (
        f"agency[{DGA}].cluster",
        "the settings have no broker cluster nroth",
    )
    assert "known: main, north" in problem.fix


def test_a_cluster_without_an_inbox_or_with_another_kind_of_name_is_a_mistake(
    wrong: Callable[..., dict[str, str]],
) -> None:
    unit = _agency(UNIT, "", parent=f'"{SOC}"', inbox="false", cluster='"main"')
    said = wrong(_agency(SOC, cluster='"North"') + _agency(OPM, cluster='""') + unit)
    assert set(said) == {f"agency[{code}].cluster" for code in (SOC, OPM, UNIT)}


# ── certificates that cannot speak ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", directories.UNFIT)
def test_a_certificate_that_can_never_sign_is_a_mistake_with_the_command_that_makes_a_good_one(
    load: Loading, keys: Path, name: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        load(ONE + _agency(OPM, name))
    (problem,) = caught.value.problems
    assert problem.key == f"agency[{OPM}].certificates[1].file"
    assert str(keys / f"{name}.crt.pem") in problem.wrong
    assert f"key.{'weak' if name == 'rsa1024' else 'usage'}" in problem.wrong
    assert "saraban-adapter key make" in problem.fix
    with pytest.raises(Misconfigured, match=r"bus\.certificates\[1\]\.file"):
        load(f'version = 1\n[bus]\ncertificates = [{{ file = "{name}.crt.pem" }}]\n', whole=True)


def test_a_certificate_that_openssl_makes_by_default_is_refused_before_any_letter(
    wrong: Callable[..., dict[str, str]], keys: Path, tmp_path: Path
) -> None:
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    files = ["-keyout", f"{tmp_path}/o.key.pem", "-out", f"{keys}/openssl.crt.pem", "-subj", "/CN=SOC"]
    subprocess.run([*made, *files], check=True, capture_output=True)
    said = wrong(_agency(SOC, "openssl"))
    assert set(said) == {f"agency[{SOC}].certificates[1].file"}
    assert "openssl.crt.pem: the certificate is not for digital signatures (key.usage)" in said.popitem()[1]


def test_what_has_ended_stays_pinned_whatever_it_was(load: Loading) -> None:
    pins = ", ".join(
        f'{{ file = "{name}.crt.pem", revoked_at = 2026-01-01T00:00:00+07:00 }}' for name in directories.UNFIT
    )
    agency = _agency(SOC).replace("certificates = [", f"certificates = [{pins}, ")
    directory = load(agency)
    assert len(directory.pins(SOC)) == 4
    found = speaking(directory, NOW)
    assert found.silent == ()
    assert [one.partition(",")[0] for one in found.warnings] == [
        f"agency[{SOC}].certificates[{place}]: revoked" for place in (1, 2, 3)
    ]


@pytest.mark.parametrize("name", ["expired", "future"])
def test_one_certificate_out_of_force_is_a_warning_and_none_in_force_a_finding(
    load: Loading, name: str
) -> None:
    doubt = {"expired": "expired", "future": "not-yet-valid"}[name]
    beside = _agency(SOC).replace("certificates = [", f'certificates = [{{ file = "{name}.crt.pem" }}, ')
    found = speaking(load(beside), NOW)
    assert found.silent == ()
    (warning,) = found.warnings
    assert warning.startswith(f"agency[{SOC}].certificates[1]: {doubt}, valid ")

    found = speaking(load(ONE + _agency(OPM, name)), NOW)
    assert found.warnings == ()
    (silent,) = found.silent
    assert silent.startswith(f"agency[{OPM}]: none of its certificates may sign now")
    assert doubt in silent
    assert "key make" in silent


def test_who_is_suspended_or_has_no_certificate_is_not_missed(load: Loading) -> None:
    suspended = _agency(OPM, "expired", state='"suspended"')
    unit = _agency(UNIT, "", parent=f'"{SOC}"', inbox="false")
    found = speaking(load(ONE + suspended + unit), NOW)
    assert (found.silent, found.warnings) == ((), ())


def test_a_bus_without_a_certificate_in_force_is_a_finding(load: Loading) -> None:
    text = f'version = 1\n[bus]\ncertificates = [{{ file = "expired.crt.pem" }}]\n{ONE}'
    (silent,) = speaking(load(text, whole=True), NOW).silent
    assert silent.startswith("bus: none of its certificates may sign now")


# ── mistakes ────────────────────────────────────────────────────────────────────────────────────────


def test_all_mistakes_of_a_file_are_told_at_once(wrong: Callable[..., dict[str, str]], keys: Path) -> None:
    (keys / "text.crt.pem").write_text("no certificate")
    (keys / "two.crt.pem").write_bytes((keys / "bus.crt.pem").read_bytes() * 2)
    text = f"""
version = 0
verzion = 1
[bus]
certificates = [{{ file = "missing.crt.pem" }}]
[[agency]]
code = "{SOC}"
name_th = "สลค."
name_en = " SOC"
certificates = [{{ file = "text.crt.pem" }}, {{ file = "two.crt.pem" }}, {{ fil = "x" }}]
parent = "{SOC}"
reads = ["letter/1.0", "letter/one"]
[[agency]]
code = "{OCS}"
name_th = "สคก."
nam_en = "OCS"
certificates = [{{ file = "{OCS}.crt.pem", revoked_at = 2569-01-01T00:00:00+07:00 }}]
successor = "0199900000"
state = "asleep"
sealed = "yes"
[[agency]]
code = "{OPM}"
name_th = "สปน."
name_en = "OPM"
inbox = false
[[agency]]
code = "{OCSC}"
name_th = "สำนักงาน ก.พ."
name_en = "OCSC"
[[agency]]
code = "12345"
name_th = "?"
name_en = "?"
state = "suspended"
[[group]]
id = "Everyone"
name_th = "ทุกคน"
name_en = "Everyone"
members = ["{SOC}", "{SOC}", "9999900000"]
[[topic]]
id = "news"
name_th = "ข่าว"
name_en = "News"
subscribers = "all"
"""
    said = wrong(text, whole=True)
    assert set(said) == {
        "version",
        "verzion",
        "bus.certificates[1].file",
        f"agency[{SOC}].name_en",
        f"agency[{SOC}].certificates[1].file",
        f"agency[{SOC}].certificates[2].file",
        f"agency[{SOC}].certificates[3].file",
        f"agency[{SOC}].certificates[3].fil",
        f"agency[{SOC}].parent",
        f"agency[{SOC}].reads[2]",
        f"agency[{SOC}].reads",
        f"agency[{OCS}].name_en",
        f"agency[{OCS}].nam_en",
        f"agency[{OCS}].certificates[1].revoked_at",
        f"agency[{OCS}].successor",
        f"agency[{OCS}].state",
        f"agency[{OCS}].sealed",
        f"agency[{OPM}].inbox",
        f"agency[{OCSC}].certificates",
        "agency[12345].code",
        "group[Everyone].id",
        "group[Everyone].members",
        "group[?].members",
        "topic[news].subscribers",
    }
    assert "holds 2 certificates" in said[f"agency[{SOC}].certificates[2].file"]
    assert "Gregorian" in said[f"agency[{OCS}].certificates[1].revoked_at"]


def test_one_agency_twice_is_a_mistake(wrong: Callable[..., dict[str, str]]) -> None:
    assert wrong(ONE + _agency(SOC, "new")) == {f"agency[{SOC}]": "stands there 2 times"}


def test_one_certificate_for_two_is_a_mistake(wrong: Callable[..., dict[str, str]]) -> None:
    said = wrong(ONE + _agency(OCS, SOC) + _agency(OPM, "bus"))
    assert set(said) == {f"agency[{OCS}].certificates", f"agency[{OPM}].certificates"}
    assert "the certificate of bus too" in said[f"agency[{OPM}].certificates"]


def test_a_circle_of_parents_is_a_mistake_and_ends(wrong: Callable[..., dict[str, str]]) -> None:
    said = wrong(
        _agency(SOC, "", parent=f'"{OCS}"', inbox="false")
        + _agency(OCS, "", parent=f'"{SOC}"', inbox="false")
    )
    assert set(said) == {f"agency[{code}].{key}" for code in (SOC, OCS) for key in ("parent", "inbox")}


def test_a_circle_of_successors_is_a_mistake(wrong: Callable[..., dict[str, str]]) -> None:
    said = wrong(_agency(SOC, successor=f'"{OCS}"') + _agency(OCS, successor=f'"{SOC}"'))
    assert set(said) == {f"agency[{SOC}].successor", f"agency[{OCS}].successor"}


@pytest.mark.parametrize("content", [b"version = [", "ชื่อ".encode("cp874")], ids=["no TOML", "CP874"])
def test_a_file_that_cannot_be_read_is_one_mistake(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "agencies.toml"
    path.write_bytes(content)
    with pytest.raises(Misconfigured) as caught:
        load_directory(path)
    assert [each.file for each in caught.value.problems] == [str(path)]


def test_a_missing_file_is_a_mistake_too(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no such file"):
        load_directory(tmp_path / "agencies.toml")


def test_ten_thousand_agencies_load_in_moments(keys: Path) -> None:
    certificate = x509.load_pem_x509_certificate((keys / f"{SOC}.crt.pem").read_bytes())
    one = Agency(
        code=SOC, name_th="ตัวอย่าง", name_en="Sample", certificates=(PinnedCertificate.of(certificate),)
    )
    units = [
        replace(one, code=AgencyCode(f"{number:010}"), certificates=(), state="suspended")
        for number in range(10_000)
    ]
    agencies = {agency.code: agency for agency in (one, *units)}
    bus = PinnedCertificate.of(x509.load_pem_x509_certificate((keys / "bus.crt.pem").read_bytes()))
    directory = Directory(version=1, agencies=agencies, bus_certificates=(bus,))
    began = datetime.now(UTC)
    assert directory_of(1, records_in(content_of(records_of(directory)))) == directory
    assert datetime.now(UTC) - began < timedelta(seconds=20)
