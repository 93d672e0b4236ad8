"""What the REST door has that other doors have not: keys and rates, leases, the dry run, the feed, its document."""

from __future__ import annotations

import base64
import json
import re
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.cli import rest
from adapters.connectors.rest.keys import SCOPES, Rates, make_key
from adapters.connectors.rest.problems import Problem
from adapters.connectors.rest.shapes import VERBS
from bus.documents.authority import Authority
from bus.documents.making import KeyFiles, new_key, write_pair
from bus.settings.adapter import RestConnector
from bus.settings.tls import trusting
from tests.assets.factory import OCS, SOC
from tests.contract.doors.client_of import client_of
from tests.contract.doors.door import World, digest_of
from tests.contract.doors.rest import Served
from tests.contract.doors.test_doors import ENGLISH, FILES, THAI, VALUES

ROOT = Path(__file__).parents[3]
NODE = ROOT / "tests" / "foreign" / "rest.mjs"


@pytest.fixture
def served(world: World) -> Iterator[Served]:
    served = Served(world.folder / "mailbox", OCS)
    served.start()
    yield served
    served.stop()


def program(world: World, served: Served, *scopes: str) -> httpx.Client:
    _, text = make_key(world.mailbox, "a program", scopes or SCOPES)
    return httpx.Client(base_url=served.url, headers={"Authorization": f"Bearer {text}"}, timeout=20)


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    found: dict[str, Any] = answer.json()
    assert (found["status"], found["code"]) == (status, code)
    assert THAI.search(found["title_th"])
    assert ENGLISH.search(found["title"].lower())
    return found


def test_a_request_needs_a_key_in_force_with_the_right_that_it_takes(world: World, served: Served) -> None:
    answer = httpx.get(f"{served.url}/v1/inbox")
    problem(answer, 401, "key.missing")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    for wrong in ("sbk_00000000_x", "Basic", "sbk_" + "a" * 5000):
        headers = {"Authorization": f"Bearer {wrong}"}
        problem(httpx.get(f"{served.url}/v1/inbox", headers=headers), 401, "key.missing")
    with program(world, served, "read") as reader:
        assert reader.get("/v1/inbox").status_code == 200
        problem(reader.post("/v1/acts/register", json={}), 403, "key.scope")
        problem(reader.post("/v1/letters", json={}, headers={"Idempotency-Key": "1"}), 403, "key.scope")
        (key,) = world.mailbox.doors.keys()
        world.mailbox.doors.end_key(key.id, key.made_at)
        problem(reader.get("/v1/inbox"), 401, "key.missing")
    assert not re.search("sbk_", json.dumps([key.sha256, key.name]))


def test_who_asks_too_often_is_told_when_to_come_again(world: World) -> None:
    served = Served(world.folder / "mailbox", OCS, per_minute=3)
    served.start()
    with program(world, served) as client:
        assert [client.get("/v1/inbox").status_code for _ in range(3)] == [200, 200, 200]
        answer = client.get("/v1/inbox")
        problem(answer, 429, "rate.exceeded")
        assert 1 <= int(answer.headers["Retry-After"]) <= 21
    served.stop()


def test_a_rate_is_one_of_each_key_and_comes_back_with_time() -> None:
    at = [0.0]
    rates = Rates(60, lambda: at[0])
    for who in ("a", "b"):
        for _ in range(60):
            rates.take(who)
        with pytest.raises(Problem) as caught:
            rates.take(who)
        assert caught.value.retry_after == 1 or caught.value.retry_after == 2
    at[0] = 1.0
    rates.take("a")


def test_a_leased_letter_is_one_programs_until_the_lease_ends(world: World, served: Served) -> None:
    world.receive(FILES)
    with program(world, served) as one, program(world, served) as other:
        ((item,),) = [one.get("/v1/inbox").json()["items"]]
        path = f"/v1/inbox/{item['consignment']}"
        lease = one.post(f"{path}/lease", json={"seconds": 60}).json()["lease"]
        answer = other.post(f"{path}/lease", json={})
        problem(answer, 409, "lease.held")
        assert int(answer.headers["Retry-After"]) >= 1
        problem(other.post(f"{path}/acknowledge", json={"lease": "x"}), 409, "lease.lost")
        again = one.post(f"{path}/lease", json={}).json()["lease"]
        problem(one.post(f"{path}/acknowledge", json={"lease": lease}), 409, "lease.lost")
        for _ in range(2):
            taken = one.post(f"{path}/acknowledge", json={"lease": again, "local_id": "รับ-7"})
            assert taken.json()["local_id"] == "รับ-7"
        assert one.get("/v1/inbox").json()["items"] == []
        problem(other.post(f"{path}/lease", json={}), 409, "lease.lost")
        (event,) = one.get("/v1/events").json()["events"]
        assert (event["event"], event["reference"]) == ("received", "รับ-7")


def test_the_dry_run_says_what_the_bus_would_refuse_and_keeps_nothing(world: World, served: Served) -> None:
    content = VALUES | {"files": list(FILES)}
    with program(world, served, "read") as client:

        def check(**changes: Any) -> Any:
            return client.post("/v1/letters/check", json=content | changes).json()

        good = check()
        assert (good["would_be_refused"], good["reasons"]) == (False, [])
        assert [each["code"] for each in good["recipients"]] == [SOC]
        for changes, code in (
            ({"to": ["9999900000"]}, "recipient.unknown"),
            ({"to": ["group:nobody"]}, "recipient.unknown"),
            ({"to": [OCS]}, "recipient.only-self"),
            ({"secrecy": "004"}, "secrecy.excluded"),
            ({"secrecy": "ลับ"}, "secrecy.unsealed"),
            ({"files": ["x.exe"]}, "file.media-type"),
            ({"date": "2030-01-01"}, "date.out-of-range"),
        ):
            found = check(**changes)
            assert found["would_be_refused"]
            assert [each["code"] for each in found["reasons"]] == [code], changes
            assert THAI.search(found["reasons"][0]["th"])
    assert world.sent() == []


def test_a_request_key_stands_for_one_request(world: World, served: Served) -> None:
    headers = {"Idempotency-Key": "k-1"}
    with program(world, served) as client:
        content = VALUES | {"files": list(FILES)}
        first, again = (client.post("/v1/letters", json=content, headers=headers).json() for _ in range(2))
        assert first == again
        other = client.post("/v1/letters", json=content | {"subject": "อื่น"}, headers=headers)
        problem(other, 409, "request.key-reused")
        problem(client.post("/v1/letters", json=content), 422, "request.mistaken")


def test_a_cursor_of_another_mailbox_is_told(world: World, served: Served) -> None:
    with program(world, served) as client:
        problem(client.get("/v1/events", params={"after": 7}), 410, "cursor.unknown")


def test_bodies_that_are_too_large_or_no_json_are_problems(world: World, served: Served) -> None:
    with program(world, served) as client:
        headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
        for body, status in ((b"{" + b" " * 2**21, 413), (b"{", 422), (b"[" * 100_000, 400), (b"\xff", 400)):
            answer = client.post("/v1/letters", content=body, headers=headers)
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.status_code in (status, 422), body[:5]
        problem(client.get("/v1/nothing"), 404, "address.unknown")
        problem(client.delete("/v1/inbox"), 405, "request.method")


def test_over_mutual_tls_a_key_alone_opens_nothing(world: World, tmp_path: Path) -> None:
    ours, other = Authority.make("ours"), Authority.make("another")
    folder = tmp_path / "tls"
    folder.mkdir()
    ours.write(KeyFiles.named(folder, "ca"))
    key = new_key()
    server = ours.server(key.public_key(), ["127.0.0.1"])
    write_pair(key, server, KeyFiles.named(folder, "server"))

    def shows(authority: Authority, name: str) -> ssl.SSLContext:
        own = new_key()
        files = KeyFiles.named(folder, name)
        write_pair(own, authority.client(own.public_key(), name), files)
        context = trusting(folder / "ca.crt.pem", "test")
        context.load_cert_chain(files.certificate, files.key)
        return context

    section = RestConnector(
        certificate=folder / "server.crt.pem",
        key=folder / "server.key.pem",
        client_ca_file=folder / "ca.crt.pem",
    )
    served = Served(world.folder / "mailbox", OCS, tls=section.tls())
    good = shows(ours, "program")
    served.start(verify=good)
    _, text = make_key(world.mailbox, "a program", SCOPES)
    headers = {"Authorization": f"Bearer {text}"}
    try:
        assert httpx.get(f"{served.url}/v1/inbox", headers=headers, verify=good).status_code == 200
        problem(httpx.get(f"{served.url}/v1/inbox", verify=good), 401, "key.missing")
        for context in (shows(other, "stranger"), trusting(folder / "ca.crt.pem", "test")):
            with pytest.raises(httpx.TransportError):
                httpx.get(f"{served.url}/v1/inbox", headers=headers, verify=context)
    finally:
        served.stop()


def test_the_document_is_openapi_3_1_and_its_page_takes_nothing_from_elsewhere(served: Served) -> None:
    document = httpx.get(f"{served.url}/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["security"] == [{"HTTPBearer": []}], path
            assert "application/problem+json" in operation["responses"]["401"]["content"]
    page = httpx.get(f"{served.url}/docs").text
    assert "http" not in re.sub("https?://(www.w3.org|json-schema.org)", "", page.replace("HTTPBearer", ""))
    assert "<script" not in page
    for path in document["paths"]:
        assert path in page


def test_nothing_that_was_said_is_in_the_log(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    served = Served(world.folder / "mailbox", OCS)
    served.start()
    with program(world, served) as client:
        content = VALUES | {"files": list(FILES), "signers": "นายลับสุด ท้าย"}
        client.post("/v1/letters", json=content, headers={"Idempotency-Key": "ความลับ".encode().hex()})
        client.get("/v1/directory/agencies", params={"q": "นายลับสุด"})
    served.stop()
    said = "".join(capfd.readouterr())
    assert "rest-answered" in said
    assert "/v1/letters" in said
    for word in ("ลับสุด", VALUES["subject"], "ความลับ".encode().hex(), "sbk_", "2569-0042"):
        assert word not in said


def test_a_client_made_from_the_document_sends_and_receives(world: World, served: Served) -> None:
    document = httpx.get(f"{served.url}/openapi.json").json()
    world.receive(FILES)
    with program(world, served) as http:
        made = client_of(document, http)
        content = VALUES | {"files": list(FILES)}
        begun = made.begin_letter(body=content, idempotency_key="made-1")
        for name, data in FILES.items():
            stated = base64.b64encode(bytes.fromhex(digest_of(data))).decode()
            made.bring_file(letter=begun["id"], name=name, content_digest=f"sha-256=:{stated}:", body=data)
        assert made.submit_letter(letter=begun["id"])["state"] == "waiting"
        assert made.letter_status(letter=begun["id"])["letter"]["reference"] == VALUES["reference"]
        (item,) = made.peek()["items"]
        number = item["consignment"]
        lease = made.lease(consignment=number, body={})
        said = made.read_letter(consignment=number)
        files = [made.file(consignment=number, position=place) for place in range(len(said["files"]))]
        assert files == list(FILES.values())
        made.acknowledge(consignment=number, body={"lease": lease["lease"], "local_id": "1"})
        assert made.act(verb="register", body={"letter_id": item["letter_id"], "number": "9"})["id"]
        assert made.agency(code=SOC)["code"] == SOC
        assert made.groups() == []
        assert len(made.events()["events"]) == 1
        with pytest.raises(httpx.HTTPStatusError):
            made.agency(code="9999900000")
    assert set(VERBS) == set(made.enums("act", "verb"))


def test_a_program_in_node_sends_and_receives(world: World, served: Served) -> None:
    world.receive(FILES)
    _, key = make_key(world.mailbox, "node", SCOPES)
    ran = subprocess.run(
        ["node", str(NODE), served.url, key, SOC], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert said["sent"] == "waiting"
    assert said["received"] == [{"files": [digest_of(each) for each in FILES.values()]}]
    assert said["refused"] == {"status": 422, "code": "request.mistaken"}
    assert len(world.sent()) == 1
    row = world.mailbox.inbox.letters()[0]
    assert world.mailbox.state_of_received(row).receiving_number == "๑๒๓"


def test_a_rotated_key_ends_after_its_overlap_and_a_revoked_one_at_once(
    world: World, served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    config = world.folder / "adapter.toml"
    config.write_text(
        f'agency = "{OCS}"\n[mailbox]\nfolder = "{world.folder / "mailbox"}"\n', encoding="utf-8"
    )

    def status(text: str) -> int:
        headers = {"Authorization": f"Bearer {text}"}
        return httpx.get(f"{served.url}/v1/inbox", headers=headers).status_code

    old, first = make_key(world.mailbox, "a program", ["read"])
    rest.rotate(old.id, overlap=1, days=None, config=config, as_json=True)
    second = json.loads(capsys.readouterr().out)
    assert second["scopes"] == ["read"]
    assert [status(each) for each in (first, second["key"])] == [200, 200]
    rest.rotate(second["id"], overlap=0, days=None, config=config, as_json=True)
    third = json.loads(capsys.readouterr().out)
    assert [status(each) for each in (second["key"], third["key"])] == [401, 200]
    rest.revoke(third["id"], config=config, as_json=True)
    assert status(third["key"]) == 401
