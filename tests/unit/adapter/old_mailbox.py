"""A mailbox in which much has been, all of it done with."""

from __future__ import annotations

from tests.unit.adapter.network import Office

_AT = "'2026-01-01T09:00:00+07:00'"
_ROWS = (
    "arrivals (consignment, type, sha256, headers, body, arrived_at, state, attempts, next_attempt_at)"
    f" SELECT :number + k, 'notice', 'old' || k, '{{}}', x'', {_AT}, 'done', 0, 0",
    "outbox (type, reference, document_id, letter_id, content_key, document, digest, raw, raw_sha256, number,"
    " number_normal, date, subject, summary, state, attempts, next_attempt_at, created_at, answered_at, entry)"
    " SELECT 'letter', 'old' || k, 'old' || k, 'old' || k, 'old' || k, x'', 'old' || k, x'', 'old' || k, 'n' || k,"
    f" 'n' || k, '2026-01-01', 's', 'external', 'accepted', 1, 60, {_AT}, {_AT}, k",
    "outbox_files (outbox, position, name, sha256, size, uploaded_at)"
    " SELECT (SELECT id FROM outbox WHERE reference = 'old' || k), 0, 'a.pdf', 'old' || k, 1, 1",
    "inbox (arrival, consignment, letter_id, sender, sender_name, digest, addressed, flags, number, number_normal,"
    " date, state, attempts, next_attempt_at, verified_at, delivered_at)"
    " SELECT (SELECT id FROM arrivals WHERE consignment = :number + k AND type = 'notice' AND sha256 = 'old' || k),"
    " :number + k, 'old' || k, '0100100000', 'n', 'old' || k, '0100900000', '', 'n' || k, 'n' || k, '2026-01-01',"
    f" 'delivered', 0, 0, {_AT}, {_AT}",
    "inbox_files (inbox, position, name, sha256, size, media_type, stored)"
    " SELECT (SELECT id FROM inbox WHERE letter_id = 'old' || k AND sender = '0100100000'), 0, 'a.pdf', 'old' || k, 1,"
    " 'application/pdf', 1",
    "notices (notice_id, identity, event, author, about, letter_id, letter_digest, event_time, entry, void)"
    f" SELECT 'old' || k, 'old' || k, 'delivered', '0100900000', '', 'old' || k, 'old' || k, {_AT}, k, 0",
    f"news (kind, outbox, at) SELECT 'answer', (SELECT id FROM outbox WHERE reference = 'old' || k), {_AT}",
)


def grow(office: Office, rows: int, *, connector: str) -> None:
    """Add so many rows to each table that grows, all of them told to this connector."""
    with office.mailbox._database.writing() as connection:
        for each in _ROWS:
            table, _, selected = each.partition(" SELECT ")
            connection.exec_driver_sql(
                "WITH RECURSIVE numbers (k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM numbers WHERE k < :rows)"
                f" INSERT INTO {table} SELECT {selected} FROM numbers",
                {"rows": rows, "number": office.bus.number},
            )
        newest = connection.exec_driver_sql("SELECT max(id) FROM news").scalar()
        office.mailbox.news.told(connector, int(newest or 0))
    office.bus.number += rows
