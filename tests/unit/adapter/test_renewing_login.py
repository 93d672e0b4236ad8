"""The certificate for the broker is renewed: when, and what lies where, whatever step the adapter ends at."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.mailbox import Mailbox
from adapters.mailbox.conditions import ConditionCode
from adapters.renewal import LoginSuccessor, Renewing
from adapters.renewal import login as login_module
from bus.broker.topology import user_of
from bus.documents.authority import Authority, key_of_request
from bus.documents.enrolment import Answer, read_request, request_digest
from bus.documents.making import KeyFiles, new_key, new_seal, write_pair
from bus.documents.seal import Seal
from bus.settings.tls import show
from tests.assets.factory import OPM

STEPS = (
    "renewal.login-key-made",
    "renewal.login-answered",
    "renewal.login-certificate-in-place",
    "renewal.login-key-in-place",
)
AUTHORITY = Authority.make("Saraban Bus (sample)")
SEAL = new_seal(OPM)


class Killed(BaseException):
    """The process is gone: nothing catches it."""


@dataclass
class Centre:
    """A centre that issues at once."""

    user: str = user_of(OPM)
    asked: list[str] = field(default_factory=list)

    def ask(self, signed: str, seal: Seal) -> Answer | None:
        self.asked.append(signed)
        public = key_of_request(read_request(signed).login.encode())
        issued = AUTHORITY.client(public, self.user).public_bytes(Encoding.PEM).decode().strip()
        return Answer(
            agency=OPM, request=request_digest(signed), outcome="approved", directory=1, login=issued
        )


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Mailbox]:
    with Mailbox(tmp_path / "mailbox", OPM) as opened:
        yield opened


def placed(folder: Path, *, days: int) -> LoginSuccessor:
    files, key = KeyFiles.named(folder / "keys", "broker"), new_key()
    write_pair(key, AUTHORITY.client(key.public_key(), user_of(OPM), days=days), files)
    return LoginSuccessor(OPM, files, lambda: SEAL)


def renewing(mailbox: Mailbox, successor: LoginSuccessor, desk: Centre, ends: list[str]) -> Renewing:
    return Renewing(
        mailbox,
        SEAL,
        successor,
        desk,
        days=30,
        renewed=lambda: ends.append("renewed"),
        source="renewal.login",
    )


def rounds(renewing: Renewing) -> None:
    for _ in range(3):
        renewing.step()


def serves(files: KeyFiles) -> bool:
    """Whether TLS takes the two files together."""
    show(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), files.certificate, files.key, None, "broker")
    return True


@pytest.mark.parametrize("step", STEPS)
def test_whatever_step_it_is_killed_at_the_next_start_finds_a_pair_and_goes_on(
    mailbox: Mailbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    successor, desk, ends = placed(tmp_path, days=20), Centre(), list[str]()
    before = successor.files.certificate.read_bytes()

    def killed(name: str) -> None:
        if name == step:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(login_module, "reached", killed)
        doomed = renewing(mailbox, successor, desk, ends)
        with pytest.raises(Killed):
            rounds(doomed)

    started = replace(successor)
    started.settle()
    assert serves(successor.files)
    again = renewing(mailbox, started, desk, ends)
    for _ in range(3):
        again.step()
        assert serves(successor.files)
    renewing(mailbox, started, desk, ends).step()
    assert successor.files.certificate.read_bytes() != before
    assert len(set(desk.asked)) == 1
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == ["broker.crt.pem", "broker.key.pem"]
    assert [path for path in (tmp_path / "keys").iterdir() if path.stat().st_mode & 0o77] == []


@pytest.mark.parametrize(("days", "asks"), [(29, 1), (40, 0)])
def test_it_is_asked_for_from_thirty_days_before_the_end(
    mailbox: Mailbox, tmp_path: Path, days: int, asks: int
) -> None:
    desk, ends = Centre(), list[str]()
    asking = renewing(mailbox, placed(tmp_path, days=days), desk, ends)
    for _ in range(2):
        asking.step()
    assert (len(desk.asked), len(ends)) == (asks, asks)


def test_a_certificate_in_anothers_name_is_not_put_in_place(mailbox: Mailbox, tmp_path: Path) -> None:
    successor, ends = placed(tmp_path, days=20), list[str]()
    before = successor.files.certificate.read_bytes()
    renewing(mailbox, successor, Centre(user="agency.0000000000"), ends).step()
    (condition,) = mailbox.conditions.all()
    assert condition.finding.code is ConditionCode.RENEWAL_IMPOSSIBLE
    assert (successor.files.certificate.read_bytes(), ends) == (before, [])
