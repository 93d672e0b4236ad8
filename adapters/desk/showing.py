"""Letters that are being written, as plain values: what their pages show, and their JSON."""

from __future__ import annotations

from typing import Any, Final

from adapters import views
from adapters.connectors import checking
from adapters.connectors.looking_up import Addressee, AddresseeIndex
from adapters.desk import form
from adapters.desk.form import Written
from adapters.mailbox import Mailbox
from adapters.mailbox.desk_drafts import DeskDraft
from adapters.mailbox.mistakes import Mistake
from bus.codes import load_codes
from bus.thai import parse_date

NAMED: Final = 200
"""Recipients that are named before sending; of more, how many they are."""


def value_of(mailbox: Mailbox, draft: DeskDraft, written: Written | None = None) -> dict[str, Any]:
    """Return a draft with its fields, addressees and files; `written` where the form has more than is saved."""
    written = written or Written.read(draft.content)
    files = mailbox.drafts.files(draft.id)
    index = index_of(mailbox)
    return summary(draft) | {
        "texts": dict(written.texts),
        "rows": {name: list(map(dict, rows)) for name, rows in written.rows.items()},
        "to": [addressee(index, each) for each in written.to],
        "copy": [addressee(index, each) for each in written.copy],
        "replaces": written.replaces,
        "files": [{"name": name, "size": file.size, "sha256": file.sha256} for name, file in files.items()],
    }


def summary(draft: DeskDraft) -> dict[str, Any]:
    """Return a draft as lists show it."""
    texts = Written.read(draft.content).texts
    return {
        "id": draft.id,
        "subject": texts.get("subject"),
        "number": texts.get("number"),
        "made_by": draft.made_by,
        "made_at": draft.made_at,
        "changed_by": draft.changed_by,
        "changed_at": draft.changed_at,
        "version": draft.version,
    }


def verdict(mailbox: Mailbox, found: checking.Checked) -> dict[str, Any]:
    """Return what the dry run found, each with the field of the form that it is about."""
    view = checking.view(mailbox, found)
    named = view["recipients"][:NAMED]
    for each in (*view["reasons"], *view["warnings"]):
        each["field"] = form.field_of(each["where"])
    return view | {"recipients": named, "recipient_count": len(found.recipients)}


def mistake(mistake: Mistake) -> views.View:
    """Return a mistake with the field of the form that it is about."""
    return {"where": mistake.where, "field": form.field_of(mistake.where), "th": mistake.th, "en": mistake.en}


def index_of(mailbox: Mailbox) -> AddresseeIndex | None:
    """Return whom a letter can name; None before a directory has come."""
    directory = mailbox.directory()
    return AddresseeIndex.of(directory) if directory else None


def addressee(index: AddresseeIndex | None, value: str) -> dict[str, Any]:
    """Return an addressee with its names, of the kind `unknown` where the directory has it not."""
    known = index.get(value) if index else None
    known = known or Addressee(kind="unknown", value=value, name_th=value, name_en=value, members=0)
    return {
        "value": value,
        "kind": known.kind,
        "th": known.name_th,
        "en": known.name_en or known.name_th,
        "members": known.members,
        "suspended": known.suspended,
    }


def choices() -> dict[str, list[tuple[str, tuple[str, str]]]]:
    """Return the codes that each list of the form offers, with their words in Thai and in English."""
    codes = load_codes()
    lists = {"kind": codes.kinds, "speed": codes.speed, "secrecy": codes.secrecy, "relation": codes.relations}
    found = {name: [(code, (one.th, one.en)) for code, one in known.items()] for name, known in lists.items()}
    found["kind"] = [each for each in found["kind"] if each[0] != "test"]
    found["acknowledgement"] = [
        ("registration", ("ลงทะเบียนรับพร้อมเลขรับ", "registration with a receiving number")),
        ("receipt", ("แจ้งว่าได้รับเท่านั้น", "receipt only")),
    ]
    found["form"] = [
        ("file", ("ไฟล์", "file")),
        ("physical", ("สิ่งของหรือเอกสารกระดาษ", "on paper")),
        ("link", ("ลิงก์", "link")),
    ]
    return found


def words_of_choices(written: Written) -> dict[str, tuple[str, str]]:
    """What was chosen, in words; what is left out is the first of its list."""
    found = {}
    for name, listed in choices().items():
        if name not in ("relation", "form"):
            code = written.texts.get(name) or listed[0][0]
            found[name] = dict(listed).get(code, (code, code))
    return found


def dates(written: Written) -> dict[str, str]:
    """The dates that were understood, ISO, by field: both calendars stand beside what was typed."""
    typed = {name: written.texts.get(name, "") for name in ("date", "due_date")}
    for number, row in enumerate(written.rows.get("references", ()), start=1):
        typed[f"references-{number}-date"] = row.get("date", "")
    found = {}
    for name, text in typed.items():
        try:
            found[name] = parse_date(text).isoformat()
        except ValueError:
            continue
    return found
