"""A pack that is brought to the console: judged as by `saraban-verify`, within limits, and nothing of it kept."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from httpx import Response

from bus.console import judging
from bus.console.confined import MEMORY
from bus.ledger.store import Ledger
from bus.operators import Role
from bus.verifier.container import MIMETYPE
from tests.assets.factory import DGA
from tests.contract.console_ledgers import auditors_console, readings
from tests.contract.console_rig import Visitor, console_over
from tests.contract.lived import Lived


@dataclass(frozen=True, slots=True)
class Looking:
    """An auditor's browser, with a pack that is good."""

    ledger: Ledger
    lived: Lived
    auditor: Visitor
    pack: bytes
    folder: Path

    def bring(self, pack: bytes, key: str = "") -> Response:
        """Bring a pack to be judged."""
        return self.auditor.send("/verify?lang=en", {"key": key}, files={"file": ("pack.asice", pack)})


@pytest.fixture(scope="module")
def looking(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looking]:
    folder = tmp_path_factory.mktemp("verify")
    shutil.copy(sqlite_template, folder / "ledger.db")
    with (
        Ledger(f"sqlite:///{folder / 'ledger.db'}") as ledger,
        auditors_console(ledger, folder) as (console, lived),
    ):
        auditor = console.visited_by(Role.AUDITOR)
        pack = auditor.get(f"/letters/{lived.letter}/pack").content
        yield Looking(ledger, lived, auditor, pack, folder)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def members(pack: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(pack)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A pack of these members, under whatever signature is among them."""
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w", method) as archive:
        archive.writestr(zipfile.ZipInfo("mimetype"), MIMETYPE.encode())
        for name, data in files.items():
            if name != "mimetype":
                archive.writestr(name, data)
    return octets.getvalue()


def test_a_good_pack_passes_with_every_finding_in_words(looking: Looking, kept: Path) -> None:
    before = len(readings(looking.ledger))
    response = looking.bring(looking.pack)
    assert response.status_code == 200
    assert "PASS: everything in this pack is as it was signed" in response.text
    for check in ("container.signature", "checkpoint.signature", "letter.signature", "letter.outcomes"):
        assert f"<code>{check}</code>" in response.text
    assert DGA in response.text
    assert "NOT acknowledged" in response.text
    assert str(looking.lived.signer._key.verifier) in response.text
    assert "saraban-verify evidence.asice --log-key" in response.text
    assert list(kept.iterdir()) == [], "nothing is kept"
    assert [(one["what"], one["query"]) for one in readings(looking.ledger)[before:]] == [
        ("verify", {"verdict": "pass"})
    ]


def test_a_pack_that_was_altered_fails(looking: Looking) -> None:
    files = members(looking.pack)
    files["letter.xml"] = files["letter.xml"].replace(b"165", b"166")
    response = looking.bring(packed(files))
    assert "FAIL: this pack is not to be relied on" in response.text
    thai = looking.auditor.send("/verify?lang=th", {}, files={"file": ("x", packed(files))})
    assert "ไม่ผ่าน อย่าเชื่อถือแฟ้มนี้" in thai.text


def test_a_key_of_the_auditors_own_is_taken(looking: Looking) -> None:
    own = str(looking.lived.signer._key.verifier)
    assert "PASS" in looking.bring(looking.pack, own).text
    response = looking.bring(looking.pack, "not+a+key")
    assert response.status_code == 400
    assert "no public key of a log" in response.text


def test_a_console_without_the_logs_key_says_what_is_missing(looking: Looking) -> None:
    folder = looking.folder / "other"
    folder.mkdir()
    with console_over(looking.ledger, folder, ledger={"key": str(folder / "none.pem")}) as console:
        visitor = console.visited_by(Role.AUDITOR)
        page = visitor.send("/verify?lang=en", {}, files={"file": ("pack.asice", looking.pack)}).text
        assert "INDETERMINATE" in page
        assert "bring your own" in page


def bomb() -> bytes:
    """300 MiB of nothing in a member that says that it is one of the pack's."""
    return packed({"letter.xml": bytes(300 * 1024 * 1024)})


def deep() -> bytes:
    """XML deeper than any document."""
    return packed({"META-INF/signatures.xml": b"<a>" * 500_000 + b"</a>" * 500_000})


def entities() -> bytes:
    """Entities that would become a thousand million characters."""
    lines = [f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10)]
    text = f'<!DOCTYPE a [<!ENTITY l0 "lol">{"".join(lines)}]><a>&l9;</a>'
    return packed({"META-INF/signatures.xml": text.encode()})


def crowd() -> bytes:
    """Ten thousand members."""
    return packed({f"entries/{number}.json": b"{}" for number in range(10_000)}, zipfile.ZIP_STORED)


def long_names() -> bytes:
    return packed({f"files/{'ก' * 60}{number}": b"<script>" for number in range(500)})


@pytest.mark.parametrize(
    "made", [bomb, deep, entities, crowd, long_names, lambda: b"PK\x05\x06" + bytes(18), lambda: b"%PDF-1.7"]
)
def test_what_was_made_to_do_harm_ends_as_a_finding(
    looking: Looking, kept: Path, made: Callable[[], bytes]
) -> None:
    response = looking.bring(made())
    assert response.status_code == 200
    assert "FAIL: this pack is not to be relied on" in response.text
    assert "<script>" not in response.text
    assert len(response.content) < 500_000
    assert list(kept.iterdir()) == []


def test_no_file_is_said(looking: Looking) -> None:
    for response in (looking.bring(b""), looking.auditor.send("/verify?lang=en", {})):
        assert response.status_code == 400
        assert "No file was chosen" in response.text


def test_the_third_at_once_is_asked_to_wait(looking: Looking) -> None:
    for _ in range(judging.AT_ONCE):
        assert judging._places.acquire(blocking=False)
    try:
        response = looking.bring(looking.pack)
    finally:
        for _ in range(judging.AT_ONCE):
            judging._places.release()
    assert response.status_code == 503
    assert "Two packs are being judged now" in response.text
    assert looking.bring(looking.pack).status_code == 200


def test_one_that_is_slow_is_stopped_and_gone(looking: Looking, kept: Path) -> None:
    with pytest.raises(judging.NoVerdict) as stopped:
        judging.judged(io.BytesIO(looking.pack), None, within=0.01)
    assert stopped.value.why == "slow"
    assert list(kept.iterdir()) == []
    running = subprocess.run(["ps", "-eo", "ppid,args"], capture_output=True, text=True, check=True).stdout
    mine = [line for line in running.splitlines() if line.split()[0] == str(os.getpid())]
    assert not [line for line in mine if "bus.console.confined" in line]


def test_one_that_is_too_large_is_not_begun(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "LARGEST", 10)
    with pytest.raises(judging.NoVerdict) as refused:
        judging.judged(io.BytesIO(bytes(11)), None)
    assert refused.value.why == "large"
    assert list(kept.iterdir()) == []


def test_the_process_has_neither_memory_nor_files_nor_secrets_without_end() -> None:
    program = (
        "import os, resource, sys\n"
        "from bus.console.confined import confine\n"
        "confine()\n"
        "print(resource.getrlimit(resource.RLIMIT_AS)[0], resource.getrlimit(resource.RLIMIT_NOFILE)[0])\n"
        "try:\n    bytearray(2 * 1024**3)\nexcept MemoryError:\n    print('no more memory')\n"
        "try:\n    kept = [open('/dev/null') for _ in range(100)]\nexcept OSError:\n    print('no more files')\n"
    )
    command = [sys.executable, "-I", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{MEMORY} 32", "no more memory", "no more files"]


def test_the_process_is_confined_before_it_opens_the_pack(tmp_path: Path) -> None:
    pack = tmp_path / "pack.asice"
    os.mkfifo(pack)
    command = [sys.executable, "-I", "-m", "bus.console.confined", str(pack), ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        # Opens when the process opens it, too.
        with pack.open("wb"):
            limits = Path(f"/proc/{process.pid}/limits").read_text(encoding="utf-8")
        process.wait(30)
    (memory,) = (line for line in limits.splitlines() if line.startswith("Max address space"))
    assert str(MEMORY) in memory


def test_an_environment_with_a_password_is_not_handed_on(
    looking: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[dict[str, str]] = []
    begun = subprocess.Popen

    def watched(*given: object, **named: object) -> object:
        handed.append(dict(named["env"]))  # type: ignore[call-overload]
        return begun(*given, **named)  # type: ignore[call-overload]

    monkeypatch.setenv("SARABAN_SEAL__PASSPHRASE", "hunter2")
    monkeypatch.setattr(subprocess, "Popen", watched)
    assert judging.judged(io.BytesIO(looking.pack), None)["verdict"] == "indeterminate"
    assert [sorted(one) for one in handed if "SARABAN_SEAL__PASSPHRASE" in one] == []
    assert len(handed) == 1


def test_others_have_no_such_page(looking: Looking) -> None:
    assert "Verify an evidence pack" in looking.auditor.get("/verify?lang=en").text
    assert looking.auditor.json("/verify")["logKey"] == str(looking.lived.signer._key.verifier)
