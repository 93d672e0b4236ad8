"""`saraban-bus init`: all of a centre from one command, nothing written over, and the same again after any mishap."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from cryptography import x509
from sqlalchemy import make_url

from bus.cli.main import main
from bus.directory import load_directory
from bus.documents.authority import Authority
from bus.documents.making import KeyFiles, new_key, write_pair
from bus.errors import Misconfigured
from bus.installing import ledgers
from bus.ledger import schema
from bus.ledger.entry import Kind
from bus.ledger.store import Ledger
from bus.operators import Operator, Role
from bus.people import People, acting
from bus.router.signers import bus_seal, ledger_signer
from bus.settings.bus import load_bus_settings
from compose.cluster import PostgresCluster
from tests.project import ROOT

Run = Callable[..., tuple[str, str]]


@pytest.fixture
def init(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs `init` for `tmp_path/centre`; returns what it printed on both streams."""

    def run(*words: str, code: int = 0) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["saraban-bus", "init", str(tmp_path / "centre"), *words])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capfd.readouterr()
        assert (ended.value.code or 0) == code, said
        return said.out, said.err

    return run


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder but the database's own, which SQLite writes to whenever it is opened."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith("ledger.db")
    }


def steps(said: tuple[str, str]) -> dict[str, bool]:
    return {Path(one["path"]).name: one["made"] for one in json.loads(said[0])["steps"]}


def test_one_command_makes_a_centre_in_which_everything_can_be_used(init: Run, tmp_path: Path) -> None:
    said = init("--yes", "--json", "--host", "bus.example.go.th", "--host", "10.0.0.1")
    home = tmp_path / "centre"
    settings = load_bus_settings(home / "bus.toml")
    bus_seal(settings)
    assert ledgers.key_of(settings).name == "bus.example.go.th/ledger"
    assert settings.depot.serving_tls() is not None
    assert settings.depot.listen_host == "0.0.0.0"  # noqa: S104
    shown = x509.load_pem_x509_certificate((home / "keys/depot.crt.pem").read_bytes())
    names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["bus.example.go.th"]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.1"]
    assert load_directory(settings.directory.file).agencies == {}
    with Ledger(settings.ledger.address()) as ledger, ledger.read() as reader:
        assert [entry.kind for entry in reader.entries()] == [Kind.DIRECTORY]
    assert all(steps(said).values())
    assert any("calendar apply" in command for command in json.loads(said[0])["next"])


def test_everything_that_it_makes_is_for_its_owner_alone(init: Run, tmp_path: Path) -> None:
    os.umask(0)
    init("--yes")
    open_to_others = {
        str(path) for path in tmp_path.joinpath("centre").rglob("*") if path.stat().st_mode & 0o77
    }
    assert open_to_others == set()
    assert tmp_path.joinpath("centre").stat().st_mode & 0o77 == 0


def test_run_again_it_makes_nothing_and_changes_no_byte(init: Run, tmp_path: Path) -> None:
    init("--yes")
    before = contents(tmp_path / "centre")
    said = init("--yes", "--json", "--host", "other.example.go.th", "--broker", "amqps://elsewhere:5671")
    assert not any(steps(said).values())
    assert contents(tmp_path / "centre") == before
    settings = load_bus_settings(tmp_path / "centre/bus.toml")
    with Ledger(settings.ledger.address()) as ledger, ledger.read() as reader:
        assert reader.head() == 1


@pytest.mark.parametrize(
    "lost",
    [
        ("calendar.toml",),
        ("agencies.toml",),
        ("keys/depot.crt.pem", "keys/depot.key.pem"),
        ("passwords/bus.admin",),
        ("keys/log.key.pem",),
    ],
)
def test_what_is_missing_is_made_and_nothing_else(init: Run, tmp_path: Path, lost: tuple[str, ...]) -> None:
    init("--yes")
    home = tmp_path / "centre"
    before = contents(home)
    for name in lost:
        (home / name).unlink()
    made = steps(init("--yes", "--json"))
    after = contents(home)
    assert after.keys() == before.keys()
    assert {name for name in before if before[name] != after[name]} <= set(lost)
    assert {name for name, new in made.items() if new} <= {Path(name).name for name in lost}
    assert any(made.values())


@pytest.mark.parametrize("half", ["keys/bus.key.pem", "keys/bus.crt.pem", "keys/authority.key.pem"])
def test_half_of_a_pair_is_refused_and_no_other_takes_its_place(init: Run, tmp_path: Path, half: str) -> None:
    """A new seal for a lost one would be one that no agency believes."""
    init("--yes")
    home = tmp_path / "centre"
    (home / half).unlink()
    before = contents(home)
    _, err = init("--yes", code=2)
    assert half in err
    assert contents(home) == before


def test_a_log_key_that_heads_were_signed_with_is_never_replaced(init: Run, tmp_path: Path) -> None:
    init("--yes")
    settings = load_bus_settings(tmp_path / "centre/bus.toml")
    with Ledger(settings.ledger.address()) as ledger:
        ledger_signer(settings, ledger).sign()
    settings.ledger.key.unlink()
    _, err = init("--yes", code=2)
    assert "heads that were signed with it" in err
    assert not settings.ledger.key.exists()


@pytest.mark.parametrize(
    "words",
    [
        ("--host", "no host!"),
        ("--broker", "amqp://user:s3cret@127.0.0.1:5672"),
        ("--broker", "amqp://mq.example.go.th:5672"),
        ("--postgresql", "postgresql://saraban@db.example.go.th/saraban"),
        ("--sqlite", "--postgresql", "postgresql://saraban@127.0.0.1/saraban"),
        ("--ca-file", "ca.pem"),
        ("--origin", "two words"),
    ],
)
def test_a_mistake_makes_nothing_at_all(init: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    out, err = init("--yes", *words, code=2)
    assert "s3cret" not in out + err
    assert err.strip()
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_without_a_terminal_it_asks_nothing_and_says_how(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bus", "init", str(tmp_path / "centre")],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert not (tmp_path / "centre").exists()


# ── questions ───────────────────────────────────────────────────────────────────────────────────

QUESTIONS = (
    "Where the ledger is kept [",
    "By which name agencies reach this machine [",
    "The broker [",
    "Its management [",
    "The first steward, by the name",
    "The password of bus.admin",
)


def answered(home: Path, answers: Sequence[str]) -> tuple[int, str]:
    """Run `init` at a terminal, give the answers, each when its question has come; return exit status and screen.

    More answers than questions are asked of again; with fewer, Ctrl-C is the last.
    """
    master, slave = pty.openpty()

    def take_terminal() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell that runs the tests beside it has it ignored
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)  # where a password is asked for, and where Ctrl-C comes from

    words = [sys.executable, "-m", "bus", "init", str(home)]
    process = subprocess.Popen(
        words, cwd=ROOT, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, preexec_fn=take_terminal
    )  # fmt: skip
    os.close(slave)
    screen = b""
    try:
        for question, answer in zip(QUESTIONS, [*answers, "\x03"], strict=False):
            screen += _read_until(master, question.encode())
            os.write(master, answer.encode() + (b"" if answer == "\x03" else b"\n"))
        screen += _read_until(master, None, impatient=len(answers) < len(QUESTIONS))
        return process.wait(120), screen.decode()
    finally:
        process.kill()
        process.wait()
        os.close(master)


def _read_until(master: int, words: bytes | None, *, impatient: bool = False) -> bytes:
    """Read what the terminal shows until these words and the end of a question, or until its end.

    The blank after the colon comes once the terminal is ready: what is typed before a password's is thrown away.
    Whoever is `impatient` types Ctrl-C again each second: one that comes just before the program waits for what is
    typed is seen only after that.
    """
    seen, end = b"", re.compile(re.escape(words) + rb"[^\n]*: $") if words else None
    while not (end and end.search(seen)):
        while impatient and not select.select([master], [], [], 1.0)[0]:
            os.write(master, b"\x03")
        try:
            more = os.read(master, 4096)
        except OSError:
            more = b""  # Linux says so when the last program at a terminal has ended
        if not more:
            assert end is None, seen
            break
        seen += more
    return seen


def files_in(home: Path) -> list[str]:
    return sorted(path.name for path in home.rglob("*") if path.is_file())


def test_each_question_is_answered_by_what_is_typed_and_an_empty_line_is_what_it_shows(
    tmp_path: Path,
) -> None:
    home = tmp_path / "centre"
    amqps = "amqps://mq.example.go.th:5671"
    status, screen = answered(
        home,
        ["", "bus.example.go.th 10.0.0.1", amqps, "https://mq.example.go.th:15671", "somying-sample", "pä55"],
    )
    assert status == 0, screen
    settings = load_bus_settings(home / "bus.toml")
    assert settings.ledger.url == f"sqlite:///{home}/var/ledger.db"
    assert settings.broker.url == amqps
    assert settings.broker.management_url == "https://mq.example.go.th:15671"
    assert settings.broker.management_password_text() == "pä55"
    assert settings.depot.url.startswith("https://bus.example.go.th:")
    assert "pä55" not in screen
    acts = acting(settings, Role.STEWARD)
    assert acts == Operator("somying-sample", Role.STEWARD, "key")
    with Ledger(settings.ledger.address()) as ledger, ledger.read() as reader:
        (entry,) = reader.entries()
    assert {key: entry.body[key] for key in acts.fields()} == acts.fields()


def test_the_first_steward_is_made_once_and_can_be_made_later(init: Run, tmp_path: Path) -> None:
    init("--yes")
    home = tmp_path / "centre"
    assert any("console user add" in command for command in json.loads(init("--yes", "--json")[0])["next"])
    key = home / "keys/operator.key"
    made = steps(init("--yes", "--json", "--person", "somying-sample"))
    assert made["operator.key"]
    assert made["people.toml"]
    first = key.read_bytes(), (home / "people.toml").read_bytes()
    again = steps(init("--yes", "--json", "--person", "somchai-sample"))
    assert not again["people.toml"]
    assert (key.read_bytes(), (home / "people.toml").read_bytes()) == first
    (home / "people.toml").unlink()
    init("--yes", "--person", "somying-sample")
    people = People.read(home / "people.toml")
    assert people.by_key(key.read_text().strip()) == people.persons[0]


def test_empty_answers_make_what_yes_makes(init: Run, tmp_path: Path) -> None:
    status, screen = answered(tmp_path / "asked", [""] * len(QUESTIONS))
    assert status == 0, screen
    init("--yes")
    asked, silent = ((tmp_path / name / "bus.toml").read_text("utf-8") for name in ("asked", "centre"))
    assert asked == silent
    assert files_in(tmp_path / "asked") == files_in(tmp_path / "centre")


def test_a_wrong_answer_is_refused_with_a_sentence_and_makes_nothing(tmp_path: Path) -> None:
    home = tmp_path / "centre"
    status, screen = answered(home, ["", "", "amqp://mq.example.go.th:5672", "", "", "pä55"])
    assert status == 2, screen
    assert "amqps://" in screen
    assert "Traceback" not in screen
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("given", [0, 2])
def test_whoever_breaks_off_at_a_question_has_made_nothing(tmp_path: Path, given: int) -> None:
    status, screen = answered(tmp_path / "centre", [""] * given)
    assert status != 0, screen
    assert "Traceback" not in screen
    assert files_in(tmp_path) == []


def test_the_deployments_own_certificates_are_named_and_no_authority_is_made(
    init: Run, tmp_path: Path
) -> None:
    authority, key, host = Authority.make("Deployment"), new_key(), "bus.example.go.th"
    ca, depot = KeyFiles.named(tmp_path, "ca"), KeyFiles.named(tmp_path, "depot")
    authority.write(ca)
    write_pair(key, authority.server(key.public_key(), [host]), depot)
    named = ["--ca-file", str(ca.certificate), "--depot-certificate", str(depot.certificate)]
    init(
        "--yes", "--host", host, *named, "--depot-key", str(depot.key), "--broker", "amqps://mq.example.go.th"
    )
    settings = load_bus_settings(tmp_path / "centre/bus.toml")
    assert settings.depot.serving_tls() is not None
    assert (settings.broker.ca_file, settings.depot.ca_file) == (ca.certificate, ca.certificate)
    assert settings.authority.key is None
    assert sorted(path.name for path in (tmp_path / "centre/keys").iterdir()) == [
        "bus.crt.pem",
        "bus.key.pem",
        "log.key.pem",
    ]


def test_a_private_authority_vouches_for_the_broker_as_well(init: Run, tmp_path: Path) -> None:
    said = init("--yes", "--json", "--broker", "amqps://mq1.example.go.th:5671,mq2.example.go.th:5671",
                "--management", "https://mq1.example.go.th:15671")  # fmt: skip
    keys = tmp_path / "centre/keys"
    first = json.loads(said[0])["next"][0]
    assert all(str(keys / f"{name}.pem") in first for name in ("authority.crt", "broker.crt", "broker.key"))
    assert "bring to the broker" not in init("--yes")[0]
    shown = x509.load_pem_x509_certificate((keys / "broker.crt.pem").read_bytes())
    names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["mq1.example.go.th", "mq2.example.go.th"]
    shown.verify_directly_issued_by(x509.load_pem_x509_certificate((keys / "authority.crt.pem").read_bytes()))


def test_on_postgresql_one_role_owns_the_tables_and_another_appends(
    init: Run, tmp_path: Path, postgres_server: PostgresCluster
) -> None:
    port, name = urlsplit(postgres_server.url()).port, f"centre_{os.getpid()}"
    asked = ("--yes", "--postgresql", f"postgresql://{name}@127.0.0.1:{port}/{name}")
    _, err = init(*asked, code=2)
    home = tmp_path / "centre"
    script = home / "passwords/ledger-roles.sql"
    assert "ledger-roles.sql" in err
    plain = postgres_server.url().replace("postgresql+psycopg", "postgresql", 1)
    try:
        with psycopg.connect(plain, autocommit=True) as administrator:
            for statement in script.read_text(encoding="utf-8").splitlines()[1:]:
                administrator.execute(statement)
        said = steps(init(*asked, "--json"))
        assert said[name]
        settings = load_bus_settings(home / "bus.toml")
        routers, owners = make_url(settings.ledger.address()), make_url(settings.ledger.owner_address())
        assert (routers.username, owners.username) == (name, f"{name}_owner")
        schema.check(settings.ledger.address())
        as_router = settings.ledger.address().replace("postgresql+psycopg", "postgresql", 1)
        with psycopg.connect(as_router) as router:
            assert router.execute("SELECT count(*) FROM entries").fetchone() == (1,)
            for refused in ("DELETE FROM entries", "UPDATE entries SET kind = ''", "DROP TABLE entries"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    router.execute(refused)
                router.rollback()
        assert not any(steps(init(*asked, "--json")).values())
    finally:
        postgres_server.drop_database(name)
        with psycopg.connect(plain, autocommit=True) as administrator:
            for role in (name, f"{name}_owner"):
                administrator.execute(f'DROP ROLE IF EXISTS "{role}"')


def test_an_owner_that_is_the_router_is_a_mistake(tmp_path: Path) -> None:
    file = tmp_path / "bus.toml"
    url = "postgresql://saraban@127.0.0.1/saraban"
    file.write_text(f'[ledger]\nurl = "{url}"\nowner_url = "{url}"\n')
    with pytest.raises(Misconfigured) as wrong:
        load_bus_settings(file)
    assert "another user" in str(wrong.value)
