"""`docs/wire.md` says what the code does: names, headers, types, codes, limits, addresses, and the worked example."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from prometheus_client import CollectorRegistry
from starlette.routing import Route

from bus.broker import topology
from bus.broker.messages import Outgoing
from bus.depot.app import build_app
from bus.depot.refusals import WORDS as DEPOT
from bus.documents import enrolment, letter_rules, notice, recipients, reports, tokens, xml
from bus.enrolment.refusals import WORDS as ENROLMENT
from bus.enrolment.routes import enrolment_routes
from bus.errors import RefusalCode
from bus.identifiers import AgencyCode
from bus.ledger import copies
from bus.ledger.rows import Consignment
from bus.methods import METHODS
from bus.router import couriers
from bus.router.gates import Rules
from bus.settings.bus import Depot
from bus.transparency import log_routes
from tests.project import ROOT

DOCUMENT = (ROOT / "docs" / "wire.md").read_text(encoding="utf-8")
EXAMPLES = ROOT / "xsd" / "examples" / "valid"
BUS = ROOT / "bus"


def _section(number: str) -> str:
    found = re.search(rf"(?ms)^#+ {re.escape(number)} .*?(?=^#+ \d|\Z)", DOCUMENT)
    assert found, number
    return found[0]


def _rows(text: str) -> list[list[str]]:
    """The cells of every table row but headings and rules."""
    lines = re.findall(r"(?m)^\| (.*) \|$", text)
    return [[cell.strip() for cell in line.split(" | ")] for line in lines]


def _first_codes(text: str) -> list[str]:
    return [row[0].strip("`") for row in _rows(text) if re.fullmatch(r"`[^`]+`", row[0])]


def test_every_code_of_refusal_stands_there_with_what_to_do() -> None:
    stated = {row[0].strip("`"): row[1] for row in _rows(_section("11")) if row[0].startswith("`")}
    known = {
        code.value: "judged anew" if code.circumstantial else "seal anew" if code.of_the_seal else "final"
        for code in RefusalCode
    }
    assert stated == known


def test_depot_and_enrolment_codes_stand_there_with_their_status() -> None:
    for section, words in (("8.1", DEPOT), ("10", ENROLMENT)):
        rows = [row for row in _rows(_section(section)) if row[0].isdigit()]
        assert {row[1].strip("`"): (int(row[0]), row[2]) for row in rows} == {
            str(code): (said.status, said.en) for code, said in words.items()
        }


def test_every_address_of_the_depot_that_is_for_agencies_stands_there() -> None:
    nothing: Any = SimpleNamespace()
    beside = [*enrolment_routes(nothing, nothing, nothing), *log_routes(nothing)]
    app = build_app(nothing, nothing, beside=beside, registry=CollectorRegistry())
    internal = {"/presence", "/healthz", "/readyz", "/metrics"}
    known = set()
    for route in app.routes:
        assert isinstance(route, Route)
        path = re.sub(r":\w+}", "}", route.path)
        methods = set(route.methods or ())
        if "/files/" not in path and "/uploads/" not in path:
            methods.discard("HEAD")
        known |= {f"{method} {path}" for method in methods if path not in internal}
    stated = {one for one in _first_codes(_section("8.1")) if "/" in one}
    assert stated == known


def test_names_of_exchanges_queues_and_users_are_the_topology_s() -> None:
    (agency,) = [one for one in topology.topology_for(["0100500000"]).users if "agency" in one.name]
    text = _section("2").replace("CODE", "0100500000")
    for name in (agency.name, topology.submit_exchange("0100500000"), topology.inbox_queue("0100500000")):
        assert f"`{name}`" in text
    assert f"`{topology.VHOST}`" in text
    assert (agency.write, agency.read) == (r"^submit\.0100500000$", r"^inbox\.0100500000$")


def test_limits_are_the_code_s() -> None:
    limits = topology.Limits()
    hour = Rules.__dataclass_fields__["refusals_per_hour"].default
    section = _section("2")
    for value in (
        xml.MAX_BYTES,
        xml.MAX_ELEMENTS,
        reports._LARGEST,
        recipients.MOST_BYTES,
        limits.intake_messages,
        limits.intake_bytes,
        recipients.MOST,
    ):
        assert f"{value:,}" in section, value
    assert f"{xml.MAX_DEPTH} deep, {xml.MAX_ATTRIBUTES} attributes" in section
    assert f"{xml.MAX_NAMESPACES} times `xmlns`" in section
    assert f"| connections, channels | {limits.connections}, {limits.channels} |" in section
    assert f"| addressees that a letter lists | {letter_rules.MOST_EXPLICIT} |" in section
    assert f"| recipients that an acceptance names | {recipients.MOST_NAMED} |" in section
    assert f"is known to be yours | {hour} |" in section
    assert f"{reports.MOST_GAPS:,};" in _section("6")
    assert f"{Depot.model_fields['max_file_bytes'].default:,} bytes" in _section("8.1")
    assert f"most {tokens.MAX_LIFETIME} seconds" in _section("8.2")
    assert f"differ by {tokens.LEEWAY} seconds" in _section("8.2")
    assert f"{tokens._MAX_TOKEN:,} characters" in _section("8.2")
    assert f"{enrolment.MOST_BYTES:,} bytes" in _section("10")


def _types() -> dict[str, list[str]]:
    """By type of message, its cells."""
    text = _section("4").split("| Header | |")[0]
    return {row[0].strip("`"): row[1:] for row in _rows(text) if row[0].startswith("`")}


def _literals(pattern: str) -> set[str]:
    """What a pattern finds in the modules that consign something."""
    files = [*BUS.glob("router/**/*.py"), BUS / "ledger" / "copies.py"]
    return {one for path in files for one in re.findall(pattern, path.read_text(encoding="utf-8"))}


def test_message_types_and_content_types_are_the_router_s() -> None:
    types = _types()
    consigned = _literals(r'\btype="([a-z-]+)",\s+entry') | _literals(r'type="(directory)"')
    assert set(types) == consigned | {recipients.TYPE, copies.COPY}
    for name, cells in types.items():
        one = Consignment(AgencyCode("0100500000"), 7, 1, None, name, {}, b"")
        made: Outgoing = couriers.message_of(one, None)
        assert (made.message_id, f"`{made.content_type}`") == ("0100500000-7", cells[0])


def test_every_header_that_is_written_stands_there_and_no_other() -> None:
    text = _section("4").split("| Header | |")[1]
    stated = set(_first_codes(text))
    in_braces = _literals(r"(?s)headers(?::[^=\n]*)? ?= ?\{(.*?)\n?\s*\}") | _literals(
        r"(?s)shared = \{(.*?)\n    \}"
    )
    written = {name for block in in_braces for name in re.findall(r'"([a-z0-9-]+)":', block)}
    written |= _literals(r'headers\["([a-z0-9-]+)"\]')
    written |= {"consignment", "entry", "checkpoint", "addressed"}
    assert 'headers = {"consignment": number, "entry": entry, **headers}' in (
        BUS / "ledger" / "store.py"
    ).read_text(encoding="utf-8")
    assert stated == written
    named = {name for cells in _types().values() for name in re.findall("`([a-z0-9-]+)`", cells[2])}
    assert named == stated - {"consignment", "entry", "checkpoint"}


def test_events_of_the_bus_and_signature_methods_are_the_code_s() -> None:
    said = set(re.findall("`([a-z-]+)`", _types()["verdict"][1]))
    ours = {"ACCEPTED", "REFUSED_BY_BUS", "PARKED", "OVERDUE_RECEIPT", "OVERDUE_REGISTRATION"}
    assert said == {notice.Event[name].value for name in ours}
    rows = [row for row in _rows(_section("5.2")) if row[0].startswith("`") and len(row) == 3]
    assert {row[0].strip("`"): row[1].strip("`") for row in rows} == {
        uri.partition("#")[2]: method.jose for uri, method in METHODS.items()
    }


def test_types_of_tokens_and_documents_are_the_code_s() -> None:
    types = set(re.findall(r"`(saraban-[a-z-]+\+\w+)`", DOCUMENT))
    ours = {tokens._REQUEST_TYPE, tokens.JSON_TYPE}
    joining = {cast(str, getattr(enrolment, name)) for name in ("_INVITATION", "_REQUEST", "_ANSWER")}
    assert types == ours | joining
    assert f"`aud` `{tokens.AUDIENCE}`" in DOCUMENT


def test_the_worked_example_is_the_sample_octet_by_octet() -> None:
    section = _section("5.3")
    blocks = re.findall(r"(?s)```xml\n(.*?)\n```", section)
    files = [EXAMPLES / f"letter-p256.{part}" for part in ("canonical", "signed-properties", "signed-info")]
    assert [block.encode() for block in blocks] == [path.read_bytes() for path in files]
    for path in (*files, EXAMPLES / "letter-p256.key-info"):
        assert sha256(path.read_bytes()).hexdigest() in section


def test_every_file_and_folder_that_it_names_is_there() -> None:
    named = set(re.findall(r"`((?:xsd|config|tests|docs)/[\w./-]+)`", DOCUMENT))
    assert named
    assert [name for name in named if not Path(ROOT, name).exists()] == []
