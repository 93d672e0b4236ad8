"""The checks of an evidence pack, in order. The auditor's checklist and the code are the same text:

1. The container is sound, the bus's signature over it covers every member and no other, and none is a stranger.
2. The checkpoint, the signed head of the ledger, is signed by the log's key that the auditor brought along.
3. Every entry is in the tree of that checkpoint: its inclusion proof leads from its own octets to the signed root.
4. The entries about the letter are a chain without a gap, from its acceptance on, each such as may follow; the set of
   its recipients is the one that its acceptance names.
5. Every version of the directory is the one that its entry names, and each newer than the one before.
6. The letter is the one that was accepted, was signed with a certificate that spoke for its sender at that time, and
   is addressed to the recipients that the entry names. A certificate speaks for an agency that has pinned it, or whose
   organization an authority names in it: then chain and lists of revoked certificates are checked too (chains.py).
7. So is every notice about it, with its author; and what the bus said itself, with the bus's certificate. Each says
   what its entry says.
8. The recipient set and the terms that the bus named in its signed acceptance are those of the entry.
9. The letter's files, where the pack has them, are those that the letter names, with the extensions of their names.
10. Who of the witnesses has cosigned the checkpoint; a witness whose key the auditor brought along must have.

What the pack says of itself (index.html) is read by no check.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bus.verifier.agreement import acceptance_agrees, letter_agrees, notice_agrees, overdue_agrees
from bus.verifier.container import FILES, Pack
from bus.verifier.directory import BUS
from bus.verifier.documents import Body, Documents
from bus.verifier.findings import BadPack, Broken, Findings, Result, Unknown
from bus.verifier.notes import Note, Unsigned, VerifierKey, require_signed
from bus.verifier.proving import SIGNED_BY_AGENCY, SIGNED_BY_BUS, Proven
from bus.verifier.recipients import RECIPIENTS, expanded
from bus.verifier.signature_form import XML_BLANKS
from bus.verifier.transitions import outcomes_of, require_permitted
from bus.verifier.xmlsig import Signed

_NEEDED = (
    "agency",
    "letterId",
    "digest",
    "document",
    "certificate",
    "directory",
    "recipients",
    "consignments",
)
_EXTENSION = re.compile(r"[a-z0-9]{1,8}")


def judge(path: Path, log_key: VerifierKey | None, witnesses: Sequence[VerifierKey] = ()) -> Findings:
    """Verify a pack; everything that is wrong with it stands in the findings.

    `witnesses` are keys that the auditor brought along: each must have cosigned the checkpoint. Raises OSError where
    the file cannot be read at all: that says nothing about a pack.
    """
    findings = Findings()
    try:
        with Pack(path) as pack:
            findings.note("container.sound", path.name, Result.PASS)
            proven = Proven(pack, log_key, findings)
            if proven.prove():
                _Judge(pack, proven, witnesses, findings).run()
    except BadPack as error:
        findings.note("container.sound", path.name, Result.FAIL, f"{error.code}: {error}")
    return findings


class _Judge:
    def __init__(
        self, pack: Pack, proven: Proven, witnesses: Sequence[VerifierKey], findings: Findings
    ) -> None:
        self._pack = pack
        self._proven = proven
        self._entries = proven.entries
        self._directories = proven.directories
        self._trusted_witnesses = witnesses
        self._findings = findings
        self._check = findings.check
        self._documents = Documents(pack, self._entries, self._directories)

    def run(self) -> None:
        """Make every check that what went before allows."""
        accepted = self._accepted()
        accepted = self._recipients(accepted) if accepted else None
        if accepted is None:
            return
        self._chain(accepted)
        letter = self._letter(accepted)
        for seq, body in sorted(self._entries.items()):
            if body["kind"] in (SIGNED_BY_AGENCY, SIGNED_BY_BUS):
                with self._check("notice.signature", f"entry {seq}, {body.get('event', body['kind'])}"):
                    self._notice(body, accepted)
        with self._check("acceptance.recipients", f"entry {accepted['seq']}"):
            self._acceptance(accepted)
        if letter is not None:
            self._files(letter)
        with self._check("letter.witnesses", "directories"):
            self._witnesses(self._proven.note)
        with self._check("letter.outcomes", "recipients"):
            self._describe(accepted, letter)

    # -- 4 --

    def _accepted(self) -> Body | None:
        found = [body for body in self._entries.values() if body["kind"] == "accepted"]
        with self._check("letter.acceptance", "entries"):
            if len(found) != 1:
                raise Broken(f"{len(found)} proven acceptances instead of one")
            if missing := [name for name in _NEEDED if name not in found[0]]:
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

    def _recipients(self, accepted: Body) -> Body | None:
        """The acceptance with its recipients in the place of their digest, as every later check reads it."""
        with self._check("letter.recipients", RECIPIENTS):
            found = expanded(accepted, self._pack.read(RECIPIENTS))
            self._entries[accepted["seq"]] = found
            return found
        return None

    def _chain(self, accepted: Body) -> None:
        about = [body for seq, body in sorted(self._entries.items()) if body.get("letter") == accepted["seq"]]
        with self._check("letter.chain", f"{len(about)} entries about the letter"):
            before = None
            for body in about:
                if body.get("prior") != before:
                    raise Broken(f"an entry before entry {body['seq']} is left out")
                before = body["seq"]
            size = self._proven.size
            said = f"nothing is left out up to it; the ledger had {size} entries; what came later is not here"
            self._findings.note("letter.through", f"entry {before}", Result.INFO, said)
            self._findings.letter.update(through=before, ledgerEntries=size)
        with self._check("letter.lawful", f"{len(about)} entries about the letter"):
            require_permitted(about)

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
        if body["kind"] == SIGNED_BY_AGENCY:
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
        wanted: dict[str, list[Any]] = {}
        for name in ("MainFile", "AttachmentFile"):
            for one in letter.root.findall(f"{{*}}{name}"):
                wanted.setdefault((one.findtext("{*}Digest") or "").strip(XML_BLANKS), []).append(one)
        present: set[str] = set()
        for name in self._pack.below(FILES.rstrip("/")):
            with self._check("file.bytes", name):
                digest, size = self._pack.sha256(name)
                named = [one for one in wanted.get(digest, ()) if name in _members_of(one, digest)]
                if not named:
                    raise Broken("the letter names no such file")
                if str(size) not in {(one.findtext("{*}Size") or "").strip(XML_BLANKS) for one in named}:
                    raise Broken("it has another size than the letter says")
                present.add(digest)
        if len(present) < len(wanted):
            lacking = f"{len(wanted) - len(present)} of {len(wanted)} files are not in the pack"
            said = f"{lacking}, and so not checked by saraban-verify; the letter has their SHA-256"
            self._findings.note("file.absent", "files", Result.INFO, said)

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
        detail = f"{len(good)} witnesses have cosigned it: {', '.join(good) or 'none'}"
        self._findings.note("checkpoint.witnesses", "checkpoint", Result.INFO, detail)
        for trusted in self._trusted_witnesses:
            with self._check("checkpoint.cosigned", trusted.name):
                try:
                    require_signed(note, trusted)
                except Unsigned as error:
                    raise Unknown(f"this witness has not cosigned it: {error}") from error

    def _describe(self, accepted: Body, letter: Signed | None) -> None:
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


def _members_of(file: Any, digest: str) -> tuple[str, ...]:
    """The names that a file may have in a pack: its SHA-256, alone or with the extension of its own name."""
    _, dot, extension = (file.findtext("{*}Name") or "").strip(XML_BLANKS).lower().rpartition(".")
    plain = f"{FILES}{digest}"
    return (plain, f"{plain}.{extension}") if dot and _EXTENSION.fullmatch(extension) else (plain,)
