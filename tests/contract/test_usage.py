"""Every command, given a wrong path, number, file or right, answers with a sentence: what, where and what to do."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import create_engine, make_url, text

from adapters.cli import app as adapter_app
from adapters.cli import main as adapter_main
from bus.cli.main import app as bus_app
from bus.cli.main import main as bus_main
from bus.errors import Misconfigured
from bus.faults import explain
from bus.ledger import schema
from bus.settings.sections import read_secret
from tests.assets.factory import OPM
from tests.contract.test_bus_cli import Shell, bare, shell, told

__all__ = ["bare", "shell", "told"]

MENDED_BY_A_PERSON = 2
NO_PLACE_FOR_A_PACK = 64
"""As `saraban-verify` ends where a pack is not there."""
ENDLESS = ("router", "serve", "run")
WITHOUT_SETTINGS = ("init", "unit", "units", "sql tables")
"""Commands that make settings, or what is said of them, and need none."""
ELSEWHERE = ("topology apply", "topology check", "agencies")
"""These look at the settings, and then at a broker."""


@dataclass(frozen=True)
class Command:
    """One command of a program, with an argument for everything that it must be given."""

    words: tuple[str, ...]
    parameters: tuple[Any, ...]

    def __str__(self) -> str:
        return " ".join(self.words)

    def given(self, but: Any = None, value: str = "") -> list[str]:
        """The command line with `value` for one of its parameters."""
        arguments: list[str] = []
        options: list[str] = []
        for each in self.parameters:
            if each is not but and not each.required:
                continue
            said = value if each is but else _fitting(each, self.words)
            if each.param_type_name == "argument":
                arguments.append(said)
            else:
                options += [max(each.opts, key=len), said]
        return [*self.words, *options, *(["--", *arguments] if arguments else [])]


def type_of(parameter: Any) -> str:
    return str(parameter.bare_type()).lower()


def _fitting(parameter: Any, words: tuple[str, ...]) -> str:
    if parameter.name == "name":
        return "gaps"  # a report's
    if parameter.name == "role":
        return "clerk" if words[0] == "desk" else "auditor"
    return "1" if type_of(parameter).startswith(("int", "float")) else "x"


def commands(app: typer.Typer) -> list[Command]:
    return list(_leaves(typer.main.get_command(app), ()))


def _leaves(group: Any, above: tuple[str, ...]) -> Iterator[Command]:
    for name, each in group.commands.items():
        if hasattr(each, "commands"):
            yield from _leaves(each, (*above, name))
        else:
            yield Command((*above, name), tuple(each.params))


ADAPTER_SETTINGS = f"""
agency = "{OPM}"
bus_certificate = "keys/bus.crt.pem"
[seal]
key = "keys/{OPM}.key.pem"
certificate = "keys/{OPM}.crt.pem"
[broker]
password_file = "password"
[mailbox]
folder = "in the way/mailbox"
"""
BUS_SETTINGS = """
[ledger]
url = "sqlite:///ledger.db"
[directory]
certificates = "keys"
[depot]
folder = "in the way/depot"
database = "sqlite:///depot.db"
"""

BUS, ADAPTER = commands(bus_app), commands(adapter_app)
Run = Callable[..., tuple[int, str]]


def test_no_help_holds_what_would_be_taken_for_markup_and_not_shown() -> None:
    texts = [
        str(each.help) for command in BUS + ADAPTER for each in command.parameters if hasattr(each, "help")
    ]
    assert texts
    assert [text for text in texts if "[" in text] == []


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: Any) -> Run:
    """Run a program with these words; give the exit status and all that was said."""

    def run(main: Callable[[], None], *words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["saraban", *words])
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capfdbinary.readouterr()
        status = ended.value.code
        return (status if isinstance(status, int) else 0), (said.out + said.err).decode(
            "utf-8", "backslashreplace"
        )

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "500")
    return run


def sensible(status: int, said: str, *wanted: int) -> None:
    assert "Traceback" not in said, said
    assert "internal fault" not in said, said
    assert "not answering" not in said, said
    assert status in wanted, (status, said)
    assert said.strip() or status == 0


# ── settings, for every command ─────────────────────────────────────────────────────────────────────

BAD_SETTINGS: dict[str, bytes | None] = {
    "missing": None,
    "utf-16": "[log]\nlevel = 'INFO'".encode("utf-16"),
    "tis-620": "# ทดสอบ".encode("tis-620"),
    "not toml": b"<settings/>",
    "unknown key": b"[log]\nlevl = 'INFO'\n",
}


@pytest.mark.parametrize("bad", [*BAD_SETTINGS, "folder"])
@pytest.mark.parametrize(
    ("main", "every"), [(bus_main, BUS), (adapter_main, ADAPTER)], ids=["bus", "adapter"]
)
def test_settings_that_cannot_be_read_are_named_by_every_command(
    run: Run, tmp_path: Path, main: Callable[[], None], every: list[Command], bad: str
) -> None:
    config = tmp_path / f"{bad}.toml"
    if bad == "folder":
        config.mkdir()
    elif (content := BAD_SETTINGS[bad]) is not None:
        config.write_bytes(content)
    assert len(every) > 15
    for command in every:
        if str(command) in WITHOUT_SETTINGS or (str(command) == "restore" and bad == "missing"):
            continue  # restore brings the settings back too
        given, at = command.given(), len(command.words)
        status, said = run(main, *given[:at], "--config", str(config), *given[at:])
        sensible(status, said, MENDED_BY_A_PERSON)
        assert config.name in said, command


# ── numbers and texts, for every command that takes one ─────────────────────────────────────────────

BAD_NUMBERS = ["-1", "0", str(10**30), "9" * 5000, "nan", "inf", "-inf", "1e400", "๑๒", "x", ""]


def of_type(every: list[Command], *names: str) -> list[tuple[Command, Any]]:
    return [
        (command, each)
        for command in every
        for each in command.parameters
        if type_of(each).startswith(names)
        and str(command) not in ELSEWHERE
        and command.words[-1] not in ENDLESS
    ]


@pytest.mark.parametrize("value", BAD_NUMBERS)
def test_a_number_out_of_range_is_a_sentence_of_the_bus(shell: Shell, run: Run, value: str) -> None:
    numbers = of_type(BUS, "int", "float")
    assert len(numbers) >= 6
    for command, parameter in numbers:
        status, said = run(bus_main, *command.given(parameter, value))
        sensible(status, said, 0, 1, 2)
        if value in ("-1", "nan", "-inf", "x", ""):
            assert status == MENDED_BY_A_PERSON, (str(command), value, said)


@pytest.mark.parametrize("value", BAD_NUMBERS)
def test_a_number_out_of_range_is_a_sentence_of_the_adapter(run: Run, tmp_path: Path, value: str) -> None:
    (tmp_path / "adapter.toml").write_text(f'agency = "{OPM}"\n')
    numbers = of_type(ADAPTER, "int", "float", "datetime")
    assert len(numbers) >= 4
    for command, parameter in numbers:
        status, said = run(adapter_main, *command.given(parameter, value))
        sensible(status, said, 0, 1, 2)


TEXTS = {
    "digits": "9" * 5000,
    "a huge number": str(10**30),
    "Thai digits": "๙" * 30,
    "words": "คำ " * 5000,
    "one long word": "ก" * 60_000,
    "wild cards": "%_" * 400,
    "not UTF-8": "\udcff",
    "a quote": "'; --",
    "a range": "100..200..300",
    "an empty text": "",
    "blanks": " \u00a0\u2028",
}


@pytest.mark.parametrize("value", TEXTS.values(), ids=TEXTS.keys())
def test_whatever_text_is_given_to_the_bus_is_searched_for_or_answered(
    shell: Shell, run: Run, value: str
) -> None:
    for command, parameter in of_type(BUS, "str", "list"):
        if parameter.name not in ("role", "reason"):  # what is entered as it is
            status, said = run(bus_main, *command.given(parameter, value))
            sensible(status, said, 0, 1, 2)


@pytest.mark.parametrize("value", TEXTS.values(), ids=TEXTS.keys())
def test_whatever_text_is_given_to_the_adapter_is_searched_for_or_answered(
    run: Run, tmp_path: Path, value: str
) -> None:
    (tmp_path / "adapter.toml").write_text(f'agency = "{OPM}"\n')
    for command, parameter in of_type(ADAPTER, "str", "list"):
        status, said = run(adapter_main, *command.given(parameter, value))
        sensible(status, said, 0, 1, 2)


@pytest.mark.parametrize("words", [" ".join(f"w{n}" for n in range(5000)), "ก" * 60_000, "x" * 1001])
def test_more_words_than_a_subject_has_are_said_to_be_too_many(shell: Shell, run: Run, words: str) -> None:
    for command in (["ledger", "find", "--subject"], ["evidence", "--query"]):
        status, said = run(bus_main, *command, words)
        sensible(status, said, MENDED_BY_A_PERSON)
        assert "1000" in said


def test_as_many_words_as_a_subject_has_are_searched_for(
    told: dict[str, str], shell: Shell, run: Run
) -> None:
    for words in (
        "ก " * 499,
        " ".join(map(str, range(250))),
        " ".join(map(chr, range(0xE01, 0xE2F))) + " a b" * 50,
    ):
        status, said = run(bus_main, "ledger", "find", "--json", "--subject", words)
        sensible(status, said, 0)


# ── paths ───────────────────────────────────────────────────────────────────────────────────────────


def bad_paths(folder: Path) -> list[str]:
    """Where nothing can be written or read, whoever tries: root can do much, and not this."""
    (folder / "file").write_text("in the way")
    (folder / "loop").symlink_to("loop")
    long = str(folder / ("x" * 300))
    return [str(folder / "file" / "x"), "/proc/nowhere/x", "/dev/null/x", str(folder / "loop" / "x"), long]


def named(place: str, said: str) -> bool:
    return Path(place).name in said or Path(place).parent.name in said


def test_a_place_that_cannot_be_written_is_named_by_every_command_that_writes(
    told: dict[str, str], shell: Shell, run: Run
) -> None:
    grant = str(shell.json("audit", "grant", told["new"], "--auditor", "somying", "--reason", "b")["grant"])
    lines = [
        ["evidence", told["new"], "-o"],
        ["evidence", "--range", "1..100", "-o"],
        ["audit", "open", grant, "-o"],
    ]
    for line, place in itertools.product(lines, bad_paths(shell.folder)):
        status, said = run(bus_main, *line, place)
        sensible(status, said, NO_PLACE_FOR_A_PACK if line[0] == "evidence" else MENDED_BY_A_PERSON)
        assert named(place, said), (line, place, said)


def test_a_file_that_cannot_be_read_is_named(shell: Shell, run: Run) -> None:
    for place in [*bad_paths(shell.folder), str(shell.folder), str(shell.folder / "missing")]:
        status, said = run(bus_main, "ledger", "verify", "--since", place)
        sensible(status, said, MENDED_BY_A_PERSON)
        assert "--since" in said


@pytest.mark.parametrize("place", range(5))
def test_a_mailbox_that_cannot_be_made_is_named_by_every_command(
    run: Run, tmp_path: Path, place: int
) -> None:
    folder = bad_paths(tmp_path)[place]
    (tmp_path / "adapter.toml").write_text(f'agency = "{OPM}"\n[mailbox]\nfolder = "{folder}"\n')
    for command in ADAPTER:
        # Who the people of the desk are stands in a file of its own.
        if command.words[:2] == ("desk", "user") or command.words[-1] in ENDLESS:
            continue
        if str(command) not in (*("log key", "key make"), *WITHOUT_SETTINGS):
            status, said = run(adapter_main, *command.given())
            sensible(status, said, MENDED_BY_A_PERSON)
            assert named(folder, said), (str(command), said)


NO_DATABASE: dict[str, Callable[[Path], object]] = {
    "garbage": lambda file: file.write_bytes(b"no database " * 1000),
    "folder": lambda file: file.mkdir(),
    "loop": lambda file: file.symlink_to(file.name),
}


@pytest.mark.parametrize("make", NO_DATABASE.values(), ids=NO_DATABASE.keys())
def test_what_is_no_mailbox_is_named_and_left_alone(
    run: Run, tmp_path: Path, make: Callable[[Path], object]
) -> None:
    (tmp_path / "mailbox").mkdir()
    file = tmp_path / "mailbox" / "mailbox.sqlite"
    make(file)
    before = file.read_bytes() if file.is_file() else b""
    (tmp_path / "adapter.toml").write_text(f'agency = "{OPM}"\n')
    status, said = run(adapter_main, "status")
    sensible(status, said, MENDED_BY_A_PERSON)
    assert "mailbox.sqlite" in said
    assert before == (file.read_bytes() if file.is_file() else b"")


@pytest.mark.parametrize("make", NO_DATABASE.values(), ids=NO_DATABASE.keys())
def test_what_is_no_ledger_is_named_by_every_command(
    bare: Shell, run: Run, make: Callable[[Path], object]
) -> None:
    make(bare.folder / "ledger.db")
    looked = 0
    for command in BUS:
        elsewhere = (*ELSEWHERE, "directory check", "key make", "ledger key", "ledger verify", "restore")
        if str(command) not in elsewhere and command.words[0] != "console":
            status, said = run(bus_main, *command.given())
            sensible(status, said, 1, MENDED_BY_A_PERSON)
            # Arguments are looked at first, and the folder that stands for one.
            before = ("Invalid value", "no letter is asked for", "ledger.tiles_folder")
            if not any(each in said for each in before):
                assert "ledger.db" in said, (str(command), said)
                looked += 1
    assert looked >= 12


def test_init_makes_the_ledgers_folder(bare: Shell, run: Run) -> None:
    (bare.folder / "bus.toml").write_text('[ledger]\nurl = "sqlite:///new/var/ledger.db"\n')
    status, said = run(bus_main, "ledger", "init")
    sensible(status, said, 0)
    assert (bare.folder / "new" / "var" / "ledger.db").is_file()


def test_a_ledger_in_a_folder_that_there_is_not_is_named(bare: Shell, run: Run) -> None:
    (bare.folder / "bus.toml").write_text('[ledger]\nurl = "sqlite:///new/var/ledger.db"\n')
    status, said = run(bus_main, "ledger", "find")
    sensible(status, said, MENDED_BY_A_PERSON)
    assert "new/var/ledger.db" in said
    (bare.folder / "in the way").write_text("")
    (bare.folder / "bus.toml").write_text('[ledger]\nurl = "sqlite:///in the way/ledger.db"\n')
    status, said = run(bus_main, "ledger", "init")
    sensible(status, said, MENDED_BY_A_PERSON)
    assert "in the way" in said


# ── roles ───────────────────────────────────────────────────────────────────────────────────────────


def test_init_as_a_role_that_may_not_says_who_may(postgres_url: str) -> None:
    owner = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        connection.execute(text("CREATE ROLE clerk LOGIN PASSWORD 'secret'"))
        connection.execute(text("REVOKE CREATE ON SCHEMA public FROM PUBLIC"))
    url = (
        make_url(postgres_url).set(username="clerk", password="secret").render_as_string(hide_password=False)
    )
    try:
        with pytest.raises(Misconfigured, match="Run `ledger init` as the owner") as told:
            schema.upgrade(url)
        assert "secret" not in str(told.value)
        with pytest.raises(Misconfigured, match="has no such role"):
            schema.upgrade(postgres_url, runtime_role="nobody-of-this-name")
        schema.upgrade(postgres_url)
        with pytest.raises(Misconfigured, match="does not let this user"):
            schema.check(url)
    finally:
        with owner.connect() as connection:
            connection.execute(text("DROP OWNED BY clerk"))
            connection.execute(text("DROP ROLE clerk"))
        owner.dispose()


# ── passwords ───────────────────────────────────────────────────────────────────────────────────────

NO_PASSWORDS = {
    "utf-8 with a mark": "รหัส".encode("utf-8-sig"),
    "utf-16": "secret".encode("utf-16"),
    "utf-16 without a mark": "secret".encode("utf-16-le"),
    "big-endian": "secret".encode("utf-16-be"),
    "tis-620": "รหัส".encode("tis-620"),
    "empty": b"",
    "a line end": b"\r\n",
    "two lines": b"one\ntwo\n",
    "a key by mistake": b"-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----\n",
    "binary": bytes(range(256)),
    "huge": b"x" * 100_000,
}


@pytest.mark.parametrize("raw", NO_PASSWORDS.values(), ids=NO_PASSWORDS.keys())
def test_a_file_that_is_no_password_is_named_and_not_shown(run: Run, bare: Shell, raw: bytes) -> None:
    password = bare.folder / "password"
    password.touch(mode=0o600)
    password.write_bytes(raw)
    with pytest.raises(Misconfigured) as found:
        read_secret(password, "broker.password_file")
    (bare.folder / "bus.toml").write_text(
        '[broker]\nmanagement_password_file = "password"\nmonitor_password_file = "password"\n'
    )
    for command in ELSEWHERE:
        status, said = run(bus_main, *command.split())
        sensible(status, said, MENDED_BY_A_PERSON)
        for words in (said, str(found.value)):
            assert str(password) in words
            assert "secret" not in words
            assert "รหัส" not in words


@pytest.mark.parametrize("line_end", ["", "\n", "\r\n"])
def test_a_line_of_text_is_a_password(tmp_path: Path, line_end: str) -> None:
    file = tmp_path / "password"
    file.touch(mode=0o600)
    file.write_bytes(f" รหัส ผ่าน{line_end}".encode())
    assert read_secret(file, "x") == " รหัส ผ่าน"


# ── what nothing else explains ──────────────────────────────────────────────────────────────────────


def test_a_fault_of_ours_is_one_line_without_what_it_quotes(
    run: Run, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("quotes the subject")

    monkeypatch.setattr("bus.cli.ledger.letters_named", fail)
    status, said = run(bus_main, "ledger", "show", "1")
    assert status == 70
    assert said.startswith("an internal fault (RuntimeError at ")
    assert said.count("\n") == 1
    assert "subject" not in said


def test_a_full_disk_is_no_mistake_of_the_path() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OSError, match="space") as met:
        os.write(full, b"x")
    os.close(full)
    sentence, status = explain(met.value)
    assert (status, "no space left" in sentence) == (74, True)


@pytest.mark.parametrize(("module", "words"), [("adapters", ["run"]), ("bus", ["serve"])])
def test_a_process_that_cannot_start_says_why_in_one_line(bare: Shell, module: str, words: list[str]) -> None:
    (bare.folder / "in the way").write_text("")
    for name, raw in (("adapter", ADAPTER_SETTINGS), ("bus", BUS_SETTINGS)):
        (bare.folder / f"{name}.toml").write_text(raw)
    bare("ledger", "init")
    bare("directory", "apply")
    password = bare.folder / "password"
    password.touch(mode=0o600)
    password.write_text("x")
    done = subprocess.run([sys.executable, "-m", module, *words], capture_output=True, text=True, check=False)
    assert done.returncode == MENDED_BY_A_PERSON, done.stderr
    assert "Traceback" not in done.stderr
    (last,) = done.stderr.splitlines()
    # An adapter looks before it keeps a log: what a person has to mend is a plain sentence.
    sentence = last if module == "adapters" else json.loads(last)["event"]
    assert "in the way" in sentence
    assert "Mend the path" in sentence
