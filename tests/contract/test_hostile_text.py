"""Every command of every program, with texts that would draw, link, turn and break lines: they are shown as text.

The commands are found in the programs themselves: a new one fails here until it has a case.
"""

from __future__ import annotations

import codecs
import io
import json
import os
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import tomli_w
from typer.main import get_command

from adapters.agent.verifying import Verifier
from adapters.cli import main as adapter_main
from adapters.cli.app import app as adapter_app
from adapters.mailbox import Mailbox
from bus.cli.main import app as bus_app
from bus.cli.main import main as bus_main
from bus.directory import BUS as THE_BUS
from bus.documents.letter import Content, Receiver, Sender
from bus.documents.signing import sign
from bus.identifiers import AgencyCode, as_letter_id
from bus.ledger.entry import Kind
from tests.assets import factory
from tests.assets.factory import DGA, OCS, OPM, seal
from tests.contract import ledger_rig as rig
from tests.contract.test_bus_cli import Shell, bare, shell
from tests.project import ROOT
from tests.unit.adapter.network import QUICK, Bus, Office, file_of

__all__ = ["bare", "shell"]

READABLE = "แผนน้ำท่วม [/ฉบับแก้ไข]"
IN_XML = (
    f"=cmd {READABLE} [link=https://evil.example]ที่นี่[/link] [bold red]:smile:[/] "
    "\u202eSSAP\u202c\u2066\u200fé𝔖"
)
"""What a letter may have in it and still be valid: directional marks, markup, a formula."""
EVIL = f"{IN_XML}\x1b[2J\x1b]8;;https://evil.example\x07\r\n9999  verdict pass\t\x7f\x08\u009b2J\u0085\u2028"
"""What whoever writes into a database or types a command can have in it besides."""
BYTES = os.fsdecode(b"\xe1\xbc\xb9.txt")
"""A name in TIS-620: not UTF-8, so that its characters are lone surrogates."""
ENCODINGS = ("utf-8", "cp874", "cp1252")

Words = tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """One way of typing a command; `shows`: it prints the subject."""

    words: Words
    shows: bool = False


def commands_of(app: Any) -> Iterator[Words]:
    """The names of all commands of an application."""

    def walk(command: Any, path: Words) -> Iterator[Words]:
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                yield from walk(inner, (*path, name))
        else:
            yield path

    yield from walk(get_command(app), ())


def run(
    monkeypatch: pytest.MonkeyPatch, main: Callable[[], None], words: Words, encoding: str
) -> tuple[int, str, str]:
    """Run a program in this process, on a console of this encoding that takes nothing else."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict") for _ in "oe")
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", out)
        patched.setattr(sys, "stderr", err)
        patched.setattr(sys, "argv", list(words))
        with pytest.raises(SystemExit) as ended:
            main()
    for stream in (out, err):
        stream.flush()
    written, told = (stream.buffer.getvalue() for stream in (out, err))
    # A spreadsheet's file is UTF-8, whatever the console is.
    said = written.decode("utf-8-sig" if written.startswith(codecs.BOM_UTF8) else encoding)
    return int(ended.value.code or 0), said, told.decode(encoding)


def harm(text: str) -> list[str]:
    """What of a text would move, turn or break something on a terminal."""
    bad = {"Cc", "Cs", "Zl", "Zp"}
    marks = "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    return [
        repr(each) for each in text if (unicodedata.category(each) in bad and each != "\n") or each in marks
    ]


def require_harmless(words: Words, found: tuple[int, str, str], encoding: str, shows: bool) -> None:
    status, out, err = found
    if "--csv" in words:
        out = out.replace("\r\n", "\n")  # RFC 4180
    about = f"{words} in {encoding} exits {status}\n{out}\n{err}"
    assert harm(out) == harm(err) == [], about
    assert "Traceback" not in out + err, about
    assert "internal fault" not in out + err, about
    assert status != 70, about
    assert "9999  verdict pass" not in [line.strip() for line in (out + err).splitlines()], about
    if "--json" in words and status == 0:
        json.loads(out) if words[:2] != ("ledger", "tail") else [
            json.loads(line) for line in out.splitlines()
        ]
    if shows:
        escaped = READABLE.encode("cp1252", "backslashreplace").decode()
        plain = json.dumps(READABLE, ensure_ascii=True)[1:-1] if "--json" in words else escaped
        assert (READABLE if encoding == "utf-8" or "--csv" in words else plain) in out or (
            encoding == "cp874" and READABLE in out
        ), about


# ---- saraban-bus ---------------------------------------------------------------------------------------------------

NOWHERE = ("-c", f"/nowhere/{EVIL}")
"""Settings that are not there: a process that runs until it is told to stop is not started here."""
LETTER, FORGED, PARKED, REFUSED = "{letter}", "{forged}", "{parked}", "{refused}"
REPORTS = ("overdue", "refused", "operators", "keys", "readings", "gaps", EVIL)
BUS: dict[Words, list[Run]] = {
    ("router",): [Run(NOWHERE)],
    ("serve",): [Run(NOWHERE)],
    ("init",): [
        Run(("centre {nonce}", "--yes", "--json")),
        Run((BYTES, "--yes")),
        Run(("a", "--yes", "--host", EVIL)),
        Run(("a", "--yes", "--broker", EVIL)),
        Run(("a", "--yes", "--origin", EVIL, "--postgresql", EVIL)),
        Run(("a", "--yes", "--ca-file", EVIL, "--depot-certificate", BYTES, "--depot-key", EVIL)),
    ],
    ("doctor",): [Run(()), Run(("--json",)), Run(("--bundle", EVIL)), Run(NOWHERE)],
    ("units",): [
        Run(("--systemd",)),
        Run(("--systemd", "--user", EVIL)),
        Run(("--systemd", "--folder", BYTES)),
        Run((EVIL,)),
        Run(NOWHERE),
    ],
    ("agencies",): [Run(()), Run(("--json",)), Run(("--csv",)), Run(NOWHERE)],
    ("evidence",): [
        Run((LETTER, "-o", f"a {READABLE.replace('/', '-')}.asice")),
        Run((LETTER, "-o", BYTES)),
        Run((LETTER, "-o", BYTES, "--json")),
        Run((FORGED,)),
        Run(("--query", EVIL)),
        Run(("--query", BYTES)),
        Run(("--range", EVIL)),
        Run(("--date", EVIL)),
    ],
    ("backup",): [
        Run((f"kept {READABLE.replace('/', '-')} {{nonce}}",)),
        Run(("kept {nonce}", "--json", "--with-keys")),
        Run((BYTES,)),
    ],
    ("restore",): [Run((EVIL,)), Run((BYTES, "--check")), Run(("x", "--head", EVIL)), Run(("x", "--head", BYTES))],
    ("topology", "apply"): [Run(NOWHERE)],
    ("topology", "check"): [Run(NOWHERE)],
    ("directory", "apply"): [Run(())],
    ("enrol",): [Run(NOWHERE)],
    ("agency", "invite"): [
        Run((OCS, "--name", EVIL, "-o", "a {nonce}")),
        Run((OCS, "--name", READABLE, "-o", "a {nonce}", "--json")),
        Run((EVIL, "--name", EVIL)),
        Run((OCS, "--name", BYTES, "-o", BYTES)),
        Run((OCS, "--name", EVIL, "--cluster", EVIL)),
    ],
    ("agency", "waiting"): [Run(()), Run(("--json",)), Run(NOWHERE)],
    ("agency", "approve"): [Run((EVIL,)), Run((OCS, "--fingerprint", EVIL))],
    ("agency", "decline"): [Run((EVIL, "--reason", EVIL)), Run((OCS, "--reason", BYTES))],
    **{
        ("agency", command): [Run((OCS, "--reason", EVIL)), Run((EVIL, "--reason", BYTES))]
        for command in ("suspend", "resume")
    },
    ("agency", "rename"): [
        Run((OCS, "--name", EVIL, "--reason", EVIL)),
        Run((OCS, "--name", BYTES, "--reason", BYTES)),
    ],
    ("agency", "merge"): [Run((OCS, "--into", EVIL, "--reason", EVIL)), Run((EVIL, "--into", OCS, "--reason", "x"))],
    ("agency", "revoke"): [Run((OCS, EVIL, "--reason", EVIL)), Run((OCS, BYTES, "--reason", "x"))],
    ("directory", "export"): [
        Run((f"kept {READABLE.replace('/', '-')} {{nonce}}",)),
        Run(("kept {nonce}", "--json")),
        Run((BYTES,)),
    ],
    ("directory", "check"): [Run(()), Run(("--json",)), Run(NOWHERE)],
    ("key", "make"): [
        Run(("one {nonce}", "--json")),
        Run((EVIL,)),
        Run((BYTES,)),
        Run(("bus",)),
        Run(("a", "--folder", BYTES)),
        Run(("a", "--days", EVIL)),
    ],
    ("calendar", "apply"): [Run(()), Run(("--json",)), Run(("--extend",)), Run((EVIL,)), Run((BYTES,))],
    ("calendar", "check"): [Run(()), Run(("--json",)), Run((EVIL,)), Run((BYTES,)), Run(NOWHERE)],
    ("ledger", "init"): [Run(()), Run(NOWHERE)],
    ("ledger", "rebuild"): [Run(())],
    ("ledger", "show"): [
        Run((LETTER,)),
        Run((LETTER, "--json"), shows=True),
        Run((FORGED,), shows=True),
        Run((FORGED, "--json"), shows=True),
        Run((REFUSED,)),
        Run((REFUSED, "--json")),
        Run((REFUSED, "--csv")),
        Run((EVIL,)),
        Run((EVIL, "--json")),
        Run((BYTES,)),
    ],
    ("ledger", "tail"): [Run(("-n", "100")), Run(("-n", "100", "--json")), Run(("-n", EVIL))],
    ("ledger", "find"): [
        Run((), shows=True),
        Run(("--json",), shows=True),
        Run(("--csv",), shows=True),
        Run(("--subject", "น้ำท่วม"), shows=True),
        Run(("--subject", EVIL, "--json")),
        Run(("--subject", BYTES)),
        Run(("--number", EVIL, "--csv")),
        Run(("--from", EVIL)),
        Run(("--certificate", EVIL)),
        Run(("--file", EVIL)),
        Run(("--state", EVIL)),
        Run(("--date", EVIL)),
        Run(("--limit", EVIL)),
        Run(("--id", EVIL)),
        Run(("--hash", EVIL)),
        Run(("--code", EVIL)),
        Run(("--from", OPM), shows=True),
        Run(("--code", "recipient.unknown")),
        Run(("--code", "recipient.unknown", "--csv")),
    ],
    ("ledger", "verify"): [Run(()), Run(("--json", "--signatures")), Run(("--log-key", EVIL)), Run(("--since", BYTES))],
    ("ledger", "tiles", "export"): [Run(("tiles",)), Run(("tiles", "--json")), Run((EVIL,)), Run((BYTES,))],
    ("ledger", "tiles", "check"): [Run(("tiles",)), Run(("tiles", "--json")), Run((EVIL,)), Run((BYTES,))],
    ("ledger", "files"): [Run(("--days", "1", "--list")), Run(("--days", "1", "--json")), Run(("--days", EVIL))],
    ("ledger", "prove"): [Run((LETTER,)), Run((LETTER, "--json")), Run((EVIL,)), Run((EVIL, "--json")), Run((BYTES,))],
    ("ledger", "key"): [Run(())],
    ("ledger", "halt"): [Run(("--reason", EVIL)), Run(("--reason", BYTES))],
    ("ledger", "resume"): [Run(("--reason", EVIL))],
    ("agency", "list"): [Run(()), Run(("--json",)), Run(("--csv",))],
    ("agency", "show"): [Run((OPM,)), Run((OPM, "--json")), Run((EVIL,))],
    ("ledger", "outstanding"): [Run(()), Run(("--json",)), Run(("--agency", EVIL)), Run(("--speed", EVIL))],
    ("ledger", "report"): [run for name in REPORTS for run in (Run((name,)), Run((name, "--json")))],
    ("parked", "list"): [Run(()), Run(("--json",)), Run(("--reason-class", EVIL, "--csv")), Run(("--since", EVIL))],
    ("parked", "faults"): [Run(()), Run(("--json",)), Run(("--agency", EVIL))],
    ("parked", "show"): [Run((PARKED,)), Run((EVIL,)), Run(("4711",))],
    ("parked", "replay"): [
        Run((PARKED, "--reason", EVIL)),
        Run((PARKED, "--reason", BYTES)),
        Run(("--reason-class", EVIL, "--dry-run", "--reason", EVIL)),
        Run(("--until", EVIL, "--reason", EVIL)),
    ],
    ("console", "user", "add"): [
        Run((EVIL, "--role", "auditor", "--no-password")),
        Run((READABLE, "--role", "auditor", "--no-password", "--display-name", EVIL, "--json")),
        Run((EVIL, "--role", EVIL)),
        Run(("a", "--role", "steward", "--password-file", BYTES)),
    ],
    ("console", "user", "key"): [Run((EVIL,)), Run(("somchai", "-o", BYTES)), Run(("somchai",))],
    ("console", "link"): [Run((EVIL,)), Run(("somchai",))],
    ("console", "user", "list"): [Run(()), Run(("--json",))],
    ("console", "user", "password"): [
        Run((EVIL, "--none")),
        Run(("somchai", "--password-file", BYTES)),
        Run(("somchai", "--none", "--json")),
    ],
    ("console", "user", "role"): [Run((EVIL, "auditor")), Run(("somchai", EVIL)), Run(("somchai", "operator"))],
    ("console", "user", "oidc"): [Run((EVIL, EVIL)), Run(("somchai", EVIL)), Run((BYTES, "--json"))],
    ("console", "user", "remove"): [Run((EVIL,)), Run((BYTES, "--json"))],
    ("audit", "grant"): [
        Run((LETTER, "--auditor", EVIL, "--reason", EVIL)),
        Run((LETTER, "--auditor", EVIL, "--reason", EVIL, "--json")),
        Run((EVIL, "--auditor", EVIL, "--reason", EVIL)),
        Run((LETTER, "--auditor", BYTES, "--reason", BYTES)),
    ],
    ("audit", "open"): [
        Run(("{grant}", "-o", "opened {nonce}")),
        Run(("{grant}", "-o", "opened {nonce}", "--json")),
        Run(("{grant}", "-o", BYTES)),
        Run(("{grant}", "-o", "x")),
        Run(("4711", "-o", EVIL.replace("/", "-"))),
    ],
}  # fmt: skip


@pytest.fixture
def network(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A ledger in which every text means harm: what a letter may have, and what only a database's owner could enter."""
    ledger = shell.ledger()
    router = rig.Router(ledger)
    content = Content(subject=IN_XML, signers=(factory.officer(given_name=IN_XML),))
    letter = factory.letter(
        number=IN_XML[:100].strip(),
        content=content,
        main_file=factory.file("=[link=x]\u200f [bold]แผน.pdf"),
        sender=Sender(agency=OPM, name=IN_XML),
    )
    assert router.take(rig.delivery(sign(letter, seal(OPM)).raw)).outcome == "accepted"
    assert router.take(rig.delivery(f"<{IN_XML}".encode())).outcome == "refused"
    nobodys = factory.letter(
        number=IN_XML[:100].strip(),
        sender=Sender(agency=OPM, name=IN_XML),
        receivers=(Receiver(agency=factory.NOBODY),),
    )
    assert router.take(rig.delivery(sign(nobodys, seal(OPM)).raw)).outcome == "refused"
    with ledger.read() as reader:
        (refused,) = reader.unaccepted.find(code="recipient.unknown")
    monkeypatch.setenv("SARABAN_BUS__BROKER__MONITOR_PASSWORD", EVIL)
    with ledger.append() as writer:
        forged = rig.in_ledger(writer, number=EVIL, subject=EVIL, to=(OCS, factory.NOBODY))
        parked = writer.entry(
            Kind.PARKED, agency=AgencyCode(EVIL[:10]), document=b"<x/>", rawSha256=EVIL, reason=EVIL
        )
        for auditor in (EVIL, "somying"):
            grant = writer.entry(
                Kind.GRANTED,
                letter=forged - 2,
                auditor=auditor,
                until="2999-01-01T00:00:00+07:00",
                reason=EVIL,
                operator=EVIL,
            )
        writer.entry(Kind.READ, auditor=EVIL, what=EVIL, query={EVIL: EVIL}, count=1)
        writer.entry(Kind.REPLAY_REQUESTED, parked=parked, reason=EVIL, operator=EVIL)
        writer.entry(Kind.REFUSED, agency=AgencyCode(EVIL[:10]), code=EVIL, where=EVIL, rawSha256=EVIL)
    with ledger.read() as reader:
        (row,) = reader.find_letters(letter_id=as_letter_id(letter.letter_id))
    ledger.close()
    numbers = {
        "letter": row.letter,
        "forged": forged,
        "parked": parked,
        "grant": grant,
        "refused": refused.entry,
    }
    return {name: str(number) for name, number in numbers.items()}


def filled(words: Words, names: dict[str, str]) -> Words:
    """The words with the numbers of things in the ledger."""
    for name, value in {**names, "nonce": uuid4().hex}.items():
        words = tuple(word.replace(f"{{{name}}}", value) for word in words)
    return words


def test_every_command_of_the_bus_has_a_case() -> None:
    assert set(BUS) == set(commands_of(bus_app))


@pytest.mark.parametrize("command", BUS, ids=" ".join)
def test_the_bus_prints_foreign_text_as_text(
    shell: Shell, network: dict[str, str], monkeypatch: pytest.MonkeyPatch, command: Words
) -> None:
    for encoding in ENCODINGS:
        for each in BUS[command]:
            words = (*command, *filled(each.words, network))
            found = run(monkeypatch, bus_main, ("saraban-bus", *words), encoding)
            require_harmless(words, found, encoding, each.shows)


# ---- saraban-adapter -----------------------------------------------------------------------------------------------

RECEIVED = "{received}"
ACTS = (
    "register",
    "refuse",
    "misdirected",
    "correct",
    "dispute",
    "withdraw",
    "grant",
    "decline",
    "settle",
    "opened",
    "under-action",
)
TEXTS = {
    "register": ("--number", EVIL, "--officer", EVIL, "--unit", EVIL),
    "correct": ("--number", EVIL),
    "settle": ("--means", EVIL),
}
ADAPTER: dict[Words, list[Run]] = {
    ("run",): [Run(NOWHERE)],
    ("send",): [Run((EVIL,)), Run((BYTES,)), Run(("bad.letter.toml",)), Run(("bad.letter.toml", "--json"))],
    ("send-again",): [Run((EVIL,)), Run((BYTES,))],
    ("verify-again",): [Run(()), Run(("--json",))],
    ("dismiss",): [
        Run(("1", "--reason", EVIL)),
        Run(("2", "--reason", BYTES)),
        Run((EVIL, "--reason", EVIL)),
    ],
    ("check",): [Run(()), Run(("--json",)), Run(NOWHERE)],
    ("init",): [Run((EVIL,)), Run((BYTES,)), Run(("bad.letter.toml", "--folder", BYTES))],
    ("doctor",): [Run(()), Run(("--json",)), Run(("--bundle", EVIL))],
    ("ping",): [Run(()), Run((EVIL,)), Run((BYTES,))],
    ("reconcile",): [Run(()), Run(("--json",))],
    ("outbox",): [Run((), shows=True), Run(("--json",), shows=True)],
    ("inbox",): [Run((), shows=True), Run(("--json",), shows=True), Run(("--limit", EVIL))],
    ("show",): [
        Run((RECEIVED,), shows=True),
        Run((RECEIVED, "--json"), shows=True),
        Run((EVIL,)),
        Run((BYTES,)),
    ],
    ("status",): [Run(()), Run(("--json",)), Run(NOWHERE)],
    ("key", "make"): [Run(()), Run(("--json",)), Run(("--days", EVIL)), Run(NOWHERE)],
    ("unit",): [Run(("--systemd",)), Run(("--systemd", "--user", EVIL)), Run((EVIL,)), Run(NOWHERE)],
    ("log", "status"): [Run(()), Run(("--json",))],
    ("log", "key"): [Run(())],
    ("ecms", "list"): [Run(()), Run(("--json", "--skipped"))],
    ("ecms", "skip"): [Run((EVIL, "--reason", EVIL)), Run((BYTES, "--reason", BYTES))],
    ("ecms", "serve-again"): [Run((EVIL,)), Run((BYTES,))],
    ("rest", "key", "make"): [Run((EVIL, "--scope", EVIL)), Run((BYTES, "--scope", "read")), Run(NOWHERE)],
    ("rest", "key", "list"): [Run(()), Run(("--json",))],
    ("rest", "key", "rotate"): [Run((EVIL,)), Run((BYTES,))],
    ("rest", "key", "revoke"): [Run((EVIL,)), Run((BYTES,))],
    ("rest", "webhook", "add"): [Run((EVIL,)), Run((BYTES,)), Run((f"https://{EVIL}",))],
    ("rest", "webhook", "list"): [Run(()), Run(("--json",))],
    ("rest", "webhook", "retry"): [Run((EVIL,)), Run((BYTES,))],
    ("rest", "webhook", "remove"): [Run((EVIL,)), Run((BYTES,))],
    ("sql", "tables"): [Run(("--dialect", EVIL)), Run(("--dialect", "oracle", "--user", EVIL))],
    ("desk", "link"): [Run((EVIL,)), Run((BYTES,)), Run(("x", *NOWHERE))],
    ("desk", "user", "add"): [
        Run((EVIL, "--role", EVIL)),
        Run((EVIL, "--role", "clerk", "--no-password")),
        Run((BYTES, "--role", "it", "--no-password")),
        Run(("x", "--role", "it", "--password-file", EVIL)),
    ],
    ("desk", "user", "password"): [Run((EVIL,)), Run(("x", "--password-file", EVIL)), Run((BYTES,))],
    ("desk", "user", "role"): [Run((EVIL, "it")), Run(("x", EVIL)), Run((BYTES, "clerk"))],
    ("desk", "user", "oidc"): [Run((EVIL, EVIL)), Run(("x", EVIL)), Run((BYTES,))],
    ("desk", "user", "list"): [Run(()), Run(("--json",))],
    ("desk", "user", "remove"): [Run((EVIL,)), Run((BYTES,))],
    **{
        (act,): [
            Run((RECEIVED, *TEXTS.get(act, ("--reason", EVIL)))),
            Run((EVIL, *TEXTS.get(act, ("--reason", EVIL)), "--json")),
            Run((RECEIVED, "--reference", BYTES)),
            Run((RECEIVED, "--date", EVIL)),
        ]
        for act in ACTS
    },
}


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A mailbox in which every text means harm."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    settings = {"agency": OCS, "mailbox": {"folder": str(tmp_path / "mailbox")}}
    (tmp_path / "adapter.toml").write_text(tomli_w.dumps(settings), encoding="utf-8")
    bad = {"subject": IN_XML, "to": [IN_XML], IN_XML: IN_XML, "files": [IN_XML], "speed": IN_XML}
    (tmp_path / "bad.letter.toml").write_text(tomli_w.dumps(bad), encoding="utf-8")
    mailbox = Mailbox(tmp_path / "mailbox", OCS)
    here = Office(mailbox, Bus(OCS))
    content = Content(subject=IN_XML, signers=(factory.officer(given_name=IN_XML),))
    values = {"number": IN_XML[:100].strip(), "content": content, "main_file": file_of(b"%PDF")}
    letter = factory.letter(sender=Sender(agency=OPM, name=IN_XML), **values)
    mailbox.arrivals.store([here.bus.directory(), here.bus.letter(sign(letter, seal(OPM)))])
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    mailbox.outbox.put_letter(
        factory.letter(sender=factory.sender(OCS), **values), [tmp_path / "a.pdf"], EVIL
    )
    mailbox.arrivals.store([here.bus.message(EVIL, EVIL.encode()), here.bus.message("letter", EVIL.encode())])
    judge = Verifier(mailbox, seal(THE_BUS).certificate, QUICK)
    while judge.work():
        pass
    yield {"received": str(letter.letter_id)}
    mailbox.close()


def test_every_command_of_the_adapter_has_a_case() -> None:
    assert set(ADAPTER) == set(commands_of(adapter_app))


@pytest.mark.parametrize("command", ADAPTER, ids=" ".join)
def test_the_adapter_prints_foreign_text_as_text(
    office: dict[str, str], monkeypatch: pytest.MonkeyPatch, command: Words
) -> None:
    for encoding in ENCODINGS:
        for each in ADAPTER[command]:
            words = (*command, *filled(each.words, office))
            found = run(monkeypatch, adapter_main, ("saraban-adapter", *words), encoding)
            require_harmless(words, found, encoding, each.shows)


# ---- as programs of their own --------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["cp874", "cp1252"])
def test_the_programs_themselves_print_on_such_consoles(
    shell: Shell, network: dict[str, str], office: dict[str, str], encoding: str
) -> None:
    """`PYTHONIOENCODING` is what a Thai or a Western Windows console comes to."""
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT)}
    for module, words in (("bus", ("ledger", "find")), ("adapters", ("inbox",))):
        done = subprocess.run(
            [sys.executable, "-m", module, *words], capture_output=True, env=environment, check=False
        )
        found = (done.returncode, done.stdout.decode(encoding), done.stderr.decode(encoding))
        assert done.returncode == 0, found
        require_harmless(words, found, encoding, True)


def test_a_directory_that_means_harm_is_described_and_not_obeyed(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shell.folder / "agencies.toml").write_text(
        tomli_w.dumps(
            {"version": 2, "agency": [{"code": EVIL, "name_th": EVIL, EVIL: 1}], "bus": {EVIL: EVIL}}
        ),
        encoding="utf-8",
    )
    for command in (("directory", "check"), ("directory", "apply")):
        for encoding in ENCODINGS:
            found = run(monkeypatch, bus_main, ("saraban-bus", *command), encoding)
            assert found[0] == 2
            require_harmless(command, found, encoding, False)


def test_names_of_agencies_are_text_too(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = shell.ledger()
    agency = rig.agency(DGA)
    router = rig.Router(ledger)
    router.activate(rig.directory(9, DGA=replace(agency, name_th=IN_XML, name_en=IN_XML)))
    ledger.close()
    for words in (("ledger", "report", "keys"), ("ledger", "tail", "--json")):
        require_harmless(words, run(monkeypatch, bus_main, ("saraban-bus", *words), "utf-8"), "utf-8", False)


@pytest.mark.parametrize("encoding", ["cp874", "cp1252"])
def test_help_is_printed_on_every_console(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    for program, app, main in (
        ("saraban-bus", bus_app, bus_main),
        ("saraban-adapter", adapter_app, adapter_main),
    ):
        for words in ((), *commands_of(app)):
            status, out, err = run(monkeypatch, main, (program, *words, "--help"), encoding)
            assert (status, err) == (0, ""), words
            assert "Usage" in out
        status, out, err = run(monkeypatch, main, (program,), encoding)
        assert "Usage" in out + err
        assert "Traceback" not in out + err
