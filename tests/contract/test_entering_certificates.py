"""A certificate meets the rule of signing where it enters: made, pinned, applied, or configured for a process."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from adapters.cli import main as adapter_main
from bus.documents.making import write_seal
from bus.documents.seal import Seal
from bus.errors import Misconfigured
from tests.assets import factory
from tests.assets.factory import OCS, OPM, SOC
from tests.contract.test_bus_cli import Shell, bare, shell

__all__ = ["bare", "shell"]
ADVICE = "saraban-adapter key make"


def replaced(shell: Shell, name: str, seal: Seal) -> None:
    """Lay another key and certificate where those of this name were."""
    for end in ("key", "crt"):
        (shell.folder / "keys" / f"{name}.{end}.pem").unlink()
    write_seal(seal, shell.folder / "keys", name)


# ── the bus ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_key_that_is_made_signs_and_is_pinned_at_once(bare: Shell) -> None:
    made = bare.json("key", "make", "new", "--days", "30")
    key, certificate = Path(made["key"]), Path(made["certificate"])
    assert (key, certificate) == (bare.folder / "keys/new.key.pem", bare.folder / "keys/new.crt.pem")
    assert [stat.S_IMODE(file.stat().st_mode) for file in (key, certificate)] == [0o600, 0o600]
    seal = Seal.from_files(key, certificate)
    assert seal.fingerprint == made["sha256"]
    before = bare("directory", "check")
    text = (bare.folder / "agencies.toml").read_text(encoding="utf-8")
    (bare.folder / "agencies.toml").write_text(text.replace(f"{OPM}.crt", "new.crt"), encoding="utf-8")
    assert bare("directory", "check") == before

    bare("key", "make", "new", code=2)
    assert "is there, and is never written over" in bare.err
    assert Seal.from_files(key, certificate).fingerprint == seal.fingerprint


def test_a_key_has_the_passphrase_that_the_environment_gives(
    bare: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SARABAN_BUS__SEAL__PASSPHRASE", "ความลับ")
    made = bare.json("key", "make", "new", "--folder", "elsewhere")
    files = (bare.folder / "elsewhere/new.key.pem", bare.folder / "elsewhere/new.crt.pem")
    assert made["key"] == "elsewhere/new.key.pem"
    Seal.from_files(*files, "ความลับ")
    with pytest.raises(Misconfigured, match="no passphrase is given"):
        Seal.from_files(*files)


def test_a_pin_that_can_never_sign_is_put_in_force_by_nobody(shell: Shell) -> None:
    replaced(shell, SOC, factory.seal_without_usage())
    shell.write_directory(2, OPM, OCS, SOC)
    for command in ("check", "apply"):
        shell("directory", command, code=2)
        assert f"{SOC}.crt.pem: the certificate is not for digital signatures (key.usage)" in shell.err
        assert ADVICE in shell.err


def test_an_agency_whose_certificates_have_expired_is_a_finding_and_delays_no_version(shell: Shell) -> None:
    replaced(shell, SOC, factory.expired_seal())
    shell.write_directory(2, OPM, OCS, SOC)
    said = shell("directory", "check", code=1)
    assert f"agency[{SOC}]: none of its certificates may sign now" in said
    assert "expired, valid until" in said
    found = shell.json("directory", "check", code=1)
    assert [one.partition(":")[0] for one in found["findings"]] == [f"agency[{SOC}]"]
    assert "warning: agency[" in shell("directory", "apply")


@pytest.mark.parametrize(
    ("seal", "said"),
    [
        (factory.expired_seal, "valid until"),
        (factory.future_seal, "valid from"),
        (factory.seal_without_usage, "key.usage"),
    ],
)
def test_the_bus_does_not_start_with_a_certificate_that_nobody_believes(
    shell: Shell, seal: Callable[[], Seal], said: str
) -> None:
    replaced(shell, "bus", seal())
    for command in (("router",), ("directory", "apply")):
        shell(*command, code=2)
        assert "bus.crt.pem" in shell.err
        assert said in shell.err
        if command == ("router",):
            assert "key make" in shell.err


# ── an adapter ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def adapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> Callable[..., Any]:
    """Runs a command of an adapter in a folder with settings only; gives its exit code and what it printed."""
    (tmp_path / "adapter.toml").write_text(tomli_w.dumps({"agency": OPM}), encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["saraban-adapter", *words])
        with pytest.raises(SystemExit) as ended:
            adapter_main()
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def test_an_agency_makes_the_key_that_its_settings_name(adapter: Callable[..., Any], tmp_path: Path) -> None:
    code, out, _ = adapter("key", "make", "--json")
    assert code == 0
    files = (tmp_path / "keys/agency.key.pem", tmp_path / "keys/agency.crt.pem")
    seal = Seal.from_files(*files)
    assert json.loads(out)["sha256"] == seal.fingerprint
    assert seal.certificate.subject.rfc4514_string() == f"CN={OPM},C=TH"
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600
    assert stat.S_IMODE(files[0].parent.stat().st_mode) == 0o700
    code, _, err = adapter("key", "make")
    assert code == 2
    assert "never written over" in err
    assert Seal.from_files(*files).fingerprint == seal.fingerprint


@pytest.mark.parametrize("which", ["seal", "bus_certificate"])
def test_an_adapter_does_not_start_with_a_certificate_that_nobody_believes(
    adapter: Callable[..., Any], tmp_path: Path, which: str
) -> None:
    good, bad = factory.seal(OPM), factory.seal_without_usage()
    write_seal(bad if which == "seal" else good, tmp_path / "keys", "agency")
    write_seal(good if which == "seal" else bad, tmp_path / "keys", "bus")
    code, _, err = adapter("run")
    assert code == 2
    assert f"{'agency' if which == 'seal' else 'bus'}.crt.pem" in err
    assert "the certificate is not for digital signatures (key.usage)" in err
    assert ADVICE in err
