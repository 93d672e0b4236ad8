"""The checks of an evidence pack, in order. The auditor's checklist and the code are the same text:

1. The container is sound, the bus's signature over it covers every member and no other, and none is a stranger.
2. The checkpoint, the signed head of the ledger, is signed by the log's key that the auditor brought along.
3. Every entry is in the tree of that checkpoint: its inclusion proof leads from its own octets to the signed root.
4. The entries about the letter are a chain without a gap, from its acceptance on, each such as may follow.
5. Every version of the directory is the one that its entry names, and each newer than the one before.
6. The letter is the one that was accepted, was signed with a certificate that spoke for its sender at that time, and
   is addressed to the recipients that the entry names.
7. So is every notice about it, with its author; and what the bus said itself, with the bus's certificate. Each says
   what its entry says.
8. The recipients and terms that the bus named in its signed acceptance are those of the entry.
9. The letter's files, where the pack has them, are those that the letter names.
10. Who of the witnesses has cosigned the checkpoint; a witness whose key the auditor brought along must have.

What the pack says of itself (index.html) is read by no check.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256

from bus.verifier.agreement import acceptance_agrees, letter_agrees, notice_agrees, overdue_agrees
from bus.verifier.container import FILES, Pack
from bus.verifier.directory import BUS, Directory
from bus.verifier.documents import Body, Documents, read_json
from bus.verifier.findings import BadPack, Broken, Findings, Result, Unknown
from bus.verifier.legality import require_lawful
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
from bus.verifier.outcomes import outcomes_of
from bus.verifier.xmlsig import Signed, sealed_members

_SIGNATURES = "META-INF/signatures.xml"
_ALWAYS = frozenset({_SIGNATURES, "letter.xml", "acceptance.xml", "checkpoint", "proofs.json"})
_UNREAD = frozenset({"index.html", "checkpoint.tsr"})
"""The page for people, and the time stamp, for which an auditor has openssl."""
_SIGNED_BY_AGENCY, _SIGNED_BY_BUS = "notice", "overdue"


def judge(path: Path, log_key: VerifierKey | None, witnesses: Sequence[VerifierKey] = ()) -> Findings:
    """Verify a pack; everything that is wrong stands in the findings, and nothing is raised.

    `witnesses` are keys that the auditor brought along: each must have cosigned the checkpoint.
    """
    findings = Findings()
    try:
        with Pack(path) as pack:
            findings.note("container.sound", path.name, Result.PASS)
            _Judge(pack, log_key, witnesses, findings).run()
    except BadPack as error:
        findings.note("container.sound", path.name, Result.FAIL, f"{error.code}: {error}")
    except Exception as error:  # whatever a pack does to whoever reads it is the pack's fault
        findings.note("container.readable", path.name, Result.FAIL, f"{type(error).__name__}: {error}")
    return findings


class _Judge:
    def __init__(
        self,
        pack: Pack,
        log_key: VerifierKey | None,
        witnesses: Sequence[VerifierKey],
        findings: Findings,
    ) -> None:
        self._pack = pack
        self._trusted_witnesses = witnesses
        self._key = log_key
        self._findings = findings
        self._check = findings.check
        self._entries: dict[int, Body] = {}
        self._directories: dict[int, Directory] = {}
        """By version."""
        self._documents = Documents(pack, self._entries, self._directories)

    def run(self) -> None:
        """Make every check that what went before allows."""
        note, checkpoint = self._checkpoint()
        if checkpoint is None:
            return
        self._inclusion(checkpoint)
        self._read_directories()
        self._container()
        self._members()
        accepted = self._accepted()
        if accepted is None:
            return
        self._chain(accepted, checkpoint)
        letter = self._letter(accepted)
        for seq, body in sorted(self._entries.items()):
            if body["kind"] in (_SIGNED_BY_AGENCY, _SIGNED_BY_BUS):
                with self._check("notice.signature", f"entry {seq}, {body.get('event', body['kind'])}"):
                    self._notice(body, accepted)
        with self._check("acceptance.recipients", f"entry {accepted['seq']}"):
            self._acceptance(accepted)
        if letter is not None:
            self._files(letter)
        self._witnesses(note)
        self._tell(accepted, letter)

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
            known = {pin.fingerprint for one in self._directories.values() for pin in one.pins(BUS)}
            if certificate.fingerprint(SHA256()).hex() not in known:
                raise Unknown("signed with a certificate that no directory in the pack names as the bus's")

    def _members(self) -> None:
        """Nothing lies in the pack that no check reads, for somebody to take for evidence."""
        expected = {*_ALWAYS, *_UNREAD}
        for seq, body in self._entries.items():
            expected.add(f"entries/{seq}.json")
            if body["kind"] == "directory":
                expected.add(f"directories/{seq}.json")
            if body["kind"] in (_SIGNED_BY_AGENCY, _SIGNED_BY_BUS):
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
            "container.unread", ", ".join(unread), Result.INFO, "signed with the rest, and not checked here"
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
                self._entries[seq] = body

    def _proofs(self) -> Body:
        try:
            return read_json(self._pack.read("proofs.json"))
        except (BadPack, Broken):
            return {}

    # -- 4 --

    def _accepted(self) -> Body | None:
        found = [body for body in self._entries.values() if body["kind"] == "accepted"]
        with self._check("letter.acceptance", "entries"):
            if len(found) != 1:
                raise Broken(f"{len(found)} proven acceptances instead of one")
            needed = ("agency", "letterId", "digest", "document", "certificate", "recipients", "directory")
            if missing := [name for name in needed if name not in found[0]]:
                raise Broken(f"the acceptance lacks {', '.join(missing)}")
            strangers = [
                seq
                for seq, body in self._entries.items()
                if body["kind"] != "directory" and body.get("letter") != found[0]["seq"]
            ]
            if strangers:
                raise Broken(f"entries about something else: {strangers}")
            return found[0]
        return None

    def _chain(self, accepted: Body, checkpoint: Checkpoint) -> None:
        about = [body for seq, body in sorted(self._entries.items()) if body.get("letter") == accepted["seq"]]
        with self._check("letter.chain", f"{len(about)} entries about the letter"):
            before = None
            for body in about:
                if body.get("prior") != before:
                    raise Broken(f"an entry before entry {body['seq']} is left out")
                before = body["seq"]
        with self._check("letter.lawful", f"{len(about)} entries about the letter"):
            require_lawful(about)
        through = about[-1]["seq"]
        said = f"nothing is left out up to it; the ledger had {checkpoint.size} entries; what came later is not here"
        self._findings.note("letter.through", f"entry {through}", Result.INFO, said)
        self._findings.letter.update(through=through, ledgerEntries=checkpoint.size)

    # -- 5 --

    def _read_directories(self) -> None:
        for seq, body in sorted(self._entries.items()):
            if body["kind"] != "directory":
                continue
            with self._check("directory.bytes", f"version {body.get('version')}"):
                data = self._pack.read(f"directories/{seq}.json")
                if hashlib.sha256(data).hexdigest() != body.get("document"):
                    raise Broken("its bytes are not those of its entry")
                directory = Directory(data)
                if directory.version != body.get("version"):
                    raise Broken("it bears another version than its entry")
                if directory.version <= max(self._directories, default=0):
                    raise Broken("its version is not newer than those before it")
                self._directories[directory.version] = directory

    # -- 6 --

    def _letter(self, accepted: Body) -> Signed | None:
        with self._check("letter.signature", "letter.xml"):
            letter = self._documents.signed("letter.xml", accepted["document"], accepted["agency"], accepted)
            letter_agrees(letter, accepted, self._documents.directory(accepted))
            return letter
        return None

    # -- 7 --

    def _notice(self, body: Body, accepted: Body) -> None:
        name = f"notices/{body['seq']}.xml"
        if body["kind"] == _SIGNED_BY_AGENCY:
            notice = self._documents.signed(name, body["document"], str(body["agency"]), body)
            notice_agrees(notice, body, accepted, self._documents.directory(body))
        else:
            overdue_agrees(self._of_bus(name, body["document"], body), body, accepted)

    def _of_bus(self, name: str, sha256: str, body: Body) -> Signed:
        """What the bus says itself is judged by the directory in force then: the newest one before the entry."""
        now = {**body, "directory": self._documents.version_before(body["seq"]), "receivedAt": body["at"]}
        return self._documents.signed(name, sha256, BUS, now)

    # -- 8 --

    def _acceptance(self, accepted: Body) -> None:
        acceptance_agrees(self._of_bus("acceptance.xml", accepted["acceptance"], accepted), accepted)

    # -- 9 --

    def _files(self, letter: Signed) -> None:
        wanted = {
            (one.findtext("{*}Digest") or "").strip(): one
            for name in ("MainFile", "AttachmentFile")
            for one in letter.root.findall(f"{{*}}{name}")
        }
        present = self._pack.below(FILES.rstrip("/"))
        for name in present:
            with self._check("file.bytes", name):
                digest, size = self._pack.sha256(name)
                element = wanted.get(digest)
                if element is None or name != f"{FILES}{digest}":
                    raise Broken("the letter names no such file")
                if str(size) != (element.findtext("{*}Size") or "").strip():
                    raise Broken("it has another size than the letter says")
        if len(present) < len(wanted):
            lacking = f"{len(wanted) - len(present)} of {len(wanted)} files are not in the pack"
            self._findings.note(
                "file.absent", "files", Result.INFO, f"{lacking}; the letter has their SHA-256"
            )

    # -- 10 --

    def _witnesses(self, note: Note) -> None:
        newest = self._directories[max(self._directories)] if self._directories else None
        keys = newest.witnesses() if newest else {}
        good = []
        for agency, key in keys.items():
            try:
                require_signed(note, key)
            except Unsigned:
                continue
            good.append(agency)
        detail = f"{len(good)} of {len(keys)} witnesses have cosigned it: {', '.join(good) or 'none'}"
        self._findings.note("checkpoint.witnesses", "checkpoint", Result.INFO, detail)
        for trusted in self._trusted_witnesses:
            with self._check("checkpoint.cosigned", trusted.name):
                try:
                    require_signed(note, trusted)
                except Unsigned as error:
                    raise Unknown(f"this witness has not cosigned it: {error}") from error

    def _tell(self, accepted: Body, letter: Signed | None) -> None:
        """What the verified entries say, for whoever reads the report."""
        newest = self._directories[max(self._directories)] if self._directories else None
        names = newest.name if newest else str
        self._findings.letter.update(
            letterId=accepted["letterId"],
            sender=accepted["agency"],
            senderName=names(accepted["agency"]),
            number=letter.text("ID") if letter is not None else None,
            dated=letter.text("CorrespondenceDate") if letter is not None else None,
            subject=letter.text("Subject") if letter is not None else None,
            acceptedAt=accepted["at"],
        )
        about = [body for _, body in sorted(self._entries.items()) if body.get("letter") == accepted["seq"]]
        with self._check("letter.outcomes", "recipients"):
            self._findings.outcomes.extend(outcomes_of(about, names))
