"""What of a pack is proven before anything in it is believed: container, checkpoint, entries, directories.

The steps bear the numbers of the auditor's checklist (judging.py).
"""

from __future__ import annotations

from base64 import b64decode

from cryptography.hazmat.primitives.hashes import SHA256

from bus.verifier.container import FILES, Pack
from bus.verifier.directory import BUS, Directory
from bus.verifier.documents import Body, read_json
from bus.verifier.findings import BadPack, Broken, Findings, Result, Unknown
from bus.verifier.merkle import Unproven, leaf_hash, require_inclusion
from bus.verifier.notes import (
    Checkpoint,
    Note,
    Unreadable,
    Unsigned,
    VerifierKey,
    read_checkpoint,
    read_note,
    require_signed,
)
from bus.verifier.recipients import RECIPIENTS
from bus.verifier.xmlsig import sealed_members

_SIGNATURES = "META-INF/signatures.xml"
_ALWAYS = frozenset({_SIGNATURES, "letter.xml", "acceptance.xml", RECIPIENTS, "checkpoint", "proofs.json"})
_UNREAD = frozenset({"index.html", "checkpoint.tsr"})
"""The page for people, and the time stamp, for which an auditor has openssl."""
SIGNED_BY_AGENCY, SIGNED_BY_BUS = "notice", "overdue"
"""The kinds of entry whose document is a signed notice."""


class Proven:
    """The entries of a pack that are in the signed tree, by number, and the directory's versions among them."""

    def __init__(self, pack: Pack, log_key: VerifierKey | None, findings: Findings) -> None:
        self._pack = pack
        self._key = log_key
        self._findings = findings
        self._check = findings.check
        self.entries: dict[int, Body] = {}
        self.directories: dict[int, Directory] = {}
        """By version."""
        self.note = Note("", ())
        """The checkpoint with its signatures."""
        self.size = 0
        """How many entries the ledger had at this checkpoint."""

    def prove(self) -> bool:
        """Make the checks; False where there is no checkpoint to prove anything by."""
        self.note, checkpoint = self._checkpoint()
        if checkpoint is None:
            return False
        self.size = checkpoint.size
        self._inclusion(checkpoint)
        self._read_directories()
        self._container()
        self._members()
        return True

    # -- 1 --

    def _container(self) -> None:
        with self._check("container.signature", _SIGNATURES):
            certificate, digests = sealed_members(self._pack.read(_SIGNATURES))
            names = {name for name in self._pack.names if name != _SIGNATURES}
            if missing := sorted(set(digests) - names):
                raise Broken(f"missing: {', '.join(missing)}")
            if extra := sorted(names - set(digests)):
                raise Broken(f"not covered: {', '.join(extra)}")
            changed = [name for name, digest in digests.items() if self._pack.sha256(name)[0] != digest]
            if changed:
                raise Broken(f"changed: {', '.join(sorted(changed))}")
            known = {pin.fingerprint for one in self.directories.values() for pin in one.pins(BUS)}
            if certificate.fingerprint(SHA256()).hex() not in known:
                raise Unknown("signed with a certificate that no directory in the pack names as the bus's")

    def _members(self) -> None:
        """Nothing lies in the pack that no check reads, for somebody to take for evidence."""
        expected = {*_ALWAYS, *_UNREAD}
        for seq, body in self.entries.items():
            expected.add(f"entries/{seq}.json")
            if body["kind"] == "directory":
                expected.add(f"directories/{seq}.json")
            if body["kind"] in (SIGNED_BY_AGENCY, SIGNED_BY_BUS):
                expected.add(f"notices/{seq}.xml")
        with self._check("container.members", f"{len(self._pack.names)} members"):
            strangers = [
                name
                for name in self._pack.names
                if name not in expected and not name.startswith((FILES, "entries/"))
            ]
            if strangers:
                raise Broken(f"they belong to no entry: {', '.join(sorted(strangers))}")
        unread = sorted(_UNREAD & set(self._pack.names))
        self._findings.note(
            "container.unread",
            ", ".join(unread),
            Result.INFO,
            "covered by the bus's signature; what is in it is not checked by saraban-verify",
        )

    # -- 2 --

    def _checkpoint(self) -> tuple[Note, Checkpoint | None]:
        try:
            note = read_note(self._pack.read("checkpoint").decode())
            checkpoint = read_checkpoint(note)
        except (Unreadable, UnicodeDecodeError) as error:
            self._findings.note(
                "checkpoint.signature", "checkpoint", Result.FAIL, f"it cannot be read: {error}"
            )
            return Note("", ()), None
        with self._check("checkpoint.signature", f"{checkpoint.origin}, {checkpoint.size} entries"):
            if self._key is None:
                raise Unknown(
                    "no log key was given (--log-key); ask the bus's operator, and others who know it"
                )
            try:
                require_signed(note, self._key)
            except Unsigned as error:
                raise Broken(str(error)) from error
            if checkpoint.origin != self._key.name:
                raise Broken(f"it is a head of {checkpoint.origin}")
        return note, checkpoint

    # -- 3 --

    def _inclusion(self, checkpoint: Checkpoint) -> None:
        proofs = self._proofs()
        for name in self._pack.below("entries"):
            with self._check("entry.inclusion", name):
                data = self._pack.read(name)
                body = read_json(data)
                seq = body.get("seq")
                if (
                    name != f"entries/{seq}.json"
                    or not isinstance(seq, int)
                    or not isinstance(body.get("kind"), str)
                ):
                    raise Broken("its name is not that of the entry in it")
                try:
                    proof = [b64decode(one, validate=True) for one in proofs[str(seq)]]
                    require_inclusion(leaf_hash(data), seq - 1, checkpoint.size, checkpoint.root, proof)
                except (KeyError, ValueError, TypeError) as error:
                    raise Broken("there is no proof of it") from error
                except Unproven as error:
                    raise Broken(f"it is not in the signed tree: {error}") from error
                self.entries[seq] = body

    def _proofs(self) -> Body:
        try:
            return read_json(self._pack.read("proofs.json"))
        except (BadPack, Broken):
            return {}

    # -- 5 --

    def _read_directories(self) -> None:
        for seq, body in sorted(self.entries.items()):
            if body["kind"] != "directory":
                continue
            with self._check("directory.bytes", f"version {body.get('version')}"):
                data = self._pack.read(f"directories/{seq}.json")
                directory = Directory(data, *_stated(body))
                if directory.version <= max(self.directories, default=0):
                    raise Broken("its version is not newer than those before it")
                self.directories[directory.version] = directory


def _stated(body: Body) -> tuple[int, int, bytes]:
    """What the entry of a version states: its number, how many records it has, and the root over them."""
    version, size, root = body.get("version"), body.get("records"), body.get("root")
    if type(version) is not int or type(size) is not int or not isinstance(root, str):
        raise Broken("its entry does not state version, records and root")
    try:
        return version, size, bytes.fromhex(root)
    except ValueError as error:
        raise Broken("its entry states no root") from error
