"""For each alert: series with which it fires after two hours, others with which it does not, and its labels."""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    """Series in the notation of `promtool test rules`, by the minute."""

    fires: dict[str, str]
    calm: dict[str, str]
    labels: dict[str, str]


CASES = {
    "SarabanRouterDown": Case(
        {'up{job="saraban-router",instance="r"}': "0+0x180"},
        {'up{job="saraban-router",instance="r"}': "1+0x180"},
        {"job": "saraban-router", "instance": "r"},
    ),
    "SarabanNoRouter": Case(
        {'up{job="saraban-router",instance="r"}': "0+0x180"},
        {'up{job="saraban-router",instance="r"}': "1+0x180"},
        {},
    ),
    "SarabanDepotDown": Case(
        {'up{job="saraban-depot",instance="d"}': "0+0x180"},
        {'up{job="saraban-depot",instance="d"}': "1+0x180"},
        {"job": "saraban-depot", "instance": "d"},
    ),
    "SarabanNotReady": Case(
        {'saraban_router_not_ready{job="saraban-router",instance="r",cause="broker"}': "1+0x180"},
        {'saraban_router_not_ready{job="saraban-router",instance="r",cause="broker"}': "0+0x180"},
        {"job": "saraban-router", "instance": "r", "cause": "broker"},
    ),
    "SarabanLedgerHalted": Case(
        {'saraban_router_ledger_halted{job="saraban-router",instance="r"}': "1+0x180"},
        {'saraban_router_ledger_halted{job="saraban-router",instance="r"}': "0+0x180"},
        {},
    ),
    "SarabanHeadUnsigned": Case(
        {'saraban_router_unsigned_seconds{job="saraban-router",instance="r"}': "0+60x180"},
        {'saraban_router_unsigned_seconds{job="saraban-router",instance="r"}': "30+0x180"},
        {},
    ),
    "SarabanWitnessesSilent": Case(
        {
            'saraban_router_cosigned_age_seconds{job="saraban-router",instance="r"}': "180000+60x180",
            'saraban_router_witnesses{job="saraban-router",instance="r"}': "3+0x180",
        },
        {
            'saraban_router_cosigned_age_seconds{job="saraban-router",instance="r"}': "+Inf+0x180",
            'saraban_router_witnesses{job="saraban-router",instance="r"}': "0+0x180",
        },
        {},
    ),
    "SarabanSubmissionParked": Case(
        {'saraban_router_parked_submissions{job="saraban-router",instance="r"}': "1+0x180"},
        {'saraban_router_parked_submissions{job="saraban-router",instance="r"}': "0+0x180"},
        {},
    ),
    "SarabanAlarmRaised": Case(
        {'saraban_router_alarms_total{job="saraban-router",instance="r",alarm="bug-met"}': "0+0x115 1+0x65"},
        {'saraban_router_alarms_total{job="saraban-router",instance="r",alarm="bug-met"}': "3+0x180"},
        {"alarm": "bug-met"},
    ),
    "SarabanBrokerLost": Case(
        {'saraban_router_cluster_connected{job="saraban-router",instance="r",cluster="main"}': "0+0x180"},
        {'saraban_router_cluster_connected{job="saraban-router",instance="r",cluster="main"}': "1+0x180"},
        {"job": "saraban-router", "instance": "r", "cluster": "main"},
    ),
    "SarabanCircuitOpen": Case(
        {'saraban_router_circuits_open{job="saraban-router",instance="r"}': "1+0x180"},
        {'saraban_router_circuits_open{job="saraban-router",instance="r"}': "0+0x180"},
        {"job": "saraban-router", "instance": "r"},
    ),
    "SarabanIntakeMissing": Case(
        {'saraban_router_intakes_missing{job="saraban-router",instance="r"}': "2+0x180"},
        {'saraban_router_intakes_missing{job="saraban-router",instance="r"}': "0+0x180"},
        {"job": "saraban-router", "instance": "r"},
    ),
    "SarabanConsignmentsWait": Case(
        {'saraban_router_pending_oldest_seconds{job="saraban-router",instance="r"}': "600+60x180"},
        {'saraban_router_pending_oldest_seconds{job="saraban-router",instance="r"}': "4+0x180"},
        {},
    ),
    "SarabanInboxNearlyFull": Case(
        {
            'saraban_router_inbox_fill_ratio{job="saraban-router",instance="r",agency="0100500000"}': "0.75+0x180"
        },
        {
            'saraban_router_inbox_fill_ratio{job="saraban-router",instance="r",agency="0100500000"}': "0.2+0x180"
        },
        {"agency": "0100500000"},
    ),
    "SarabanInboxNotRead": Case(
        {
            'saraban_router_inbox_oldest_seconds{job="saraban-router",instance="r",agency="0100500000"}': "14000+60x180"
        },
        {
            'saraban_router_inbox_oldest_seconds{job="saraban-router",instance="r",agency="0100500000"}': "20+0x180"
        },
        {"agency": "0100500000"},
    ),
    "SarabanMailboxUnread": Case(
        {'saraban_router_agencies_unread{job="saraban-router",instance="r"}': "1+0x180"},
        {'saraban_router_agencies_unread{job="saraban-router",instance="r"}': "0+0x180"},
        {},
    ),
    "SarabanOverdue": Case(
        {'saraban_router_overdue_of_a_day{job="saraban-router",instance="r"}': "4+0x180"},
        {'saraban_router_overdue_of_a_day{job="saraban-router",instance="r"}': "0+0x180"},
        {},
    ),
    "SarabanDeadlinesNotJudged": Case(
        {'saraban_router_deadline_lag_seconds{job="saraban-router",instance="r"}': "3000+60x180"},
        {'saraban_router_deadline_lag_seconds{job="saraban-router",instance="r"}': "60+0x180"},
        {},
    ),
    "SarabanConsigningSlow": Case(
        {
            'saraban_router_journey_seconds_bucket{step="consigned",le="30"}': "0+0x180",
            'saraban_router_journey_seconds_bucket{step="consigned",le="300"}': "0+60x180",
            'saraban_router_journey_seconds_bucket{step="consigned",le="+Inf"}': "0+60x180",
        },
        {
            'saraban_router_journey_seconds_bucket{step="consigned",le="0.1"}': "0+60x180",
            'saraban_router_journey_seconds_bucket{step="consigned",le="+Inf"}': "0+60x180",
        },
        {"step": "consigned"},
    ),
    "SarabanCertificateEnds": Case(
        {
            'saraban_router_certificate_days_left{job="saraban-router",instance="r",certificate="seal"}': "20+0x180"
        },
        {
            'saraban_router_certificate_days_left{job="saraban-router",instance="r",certificate="seal"}': "200+0x180"
        },
        {"certificate": "seal"},
    ),
    "SarabanCertificateEndsSoon": Case(
        {
            'saraban_router_certificate_days_left{job="saraban-router",instance="r",certificate="seal"}': "3+0x180"
        },
        {
            'saraban_router_certificate_days_left{job="saraban-router",instance="r",certificate="seal"}': "20+0x180"
        },
        {"certificate": "seal"},
    ),
    "SarabanAgencyCertificatesEnd": Case(
        {'saraban_router_agency_certificates_ending{job="saraban-router",instance="r"}': "2+0x180"},
        {'saraban_router_agency_certificates_ending{job="saraban-router",instance="r"}': "0+0x180"},
        {},
    ),
    "SarabanAuthorityListEnds": Case(
        {'saraban_router_authority_list_seconds_left{job="saraban-router",instance="r"}': "9000+0x180"},
        {'saraban_router_authority_list_seconds_left{job="saraban-router",instance="r"}': "+Inf+0x180"},
        {},
    ),
    "SarabanShareExceeded": Case(
        {'saraban_router_exceeding{job="saraban-router",instance="r"}': "1+0x180"},
        {'saraban_router_exceeding{job="saraban-router",instance="r"}': "0+0x180"},
        {},
    ),
    "SarabanDepotDiskLow": Case(
        {
            'saraban_depot_disk_free_bytes{job="saraban-depot",instance="d"}': "5+0x180",
            'saraban_depot_disk_used_bytes{job="saraban-depot",instance="d"}': "95+0x180",
        },
        {
            'saraban_depot_disk_free_bytes{job="saraban-depot",instance="d"}': "50+0x180",
            'saraban_depot_disk_used_bytes{job="saraban-depot",instance="d"}': "50+0x180",
        },
        {"job": "saraban-depot", "instance": "d"},
    ),
    "SarabanDepotDiskFull": Case(
        {
            'saraban_depot_disk_free_bytes{job="saraban-depot",instance="d"}': "1+0x180",
            'saraban_depot_disk_used_bytes{job="saraban-depot",instance="d"}': "99+0x180",
        },
        {
            'saraban_depot_disk_free_bytes{job="saraban-depot",instance="d"}': "5+0x180",
            'saraban_depot_disk_used_bytes{job="saraban-depot",instance="d"}': "95+0x180",
        },
        {"job": "saraban-depot", "instance": "d"},
    ),
    "SarabanDepotErrors": Case(
        {'saraban_depot_answers_total{job="saraban-depot",instance="d",status="503"}': "0+60x180"},
        {'saraban_depot_answers_total{job="saraban-depot",instance="d",status="200"}': "0+60x180"},
        {"job": "saraban-depot", "instance": "d"},
    ),
    "SarabanAdapterDown": Case(
        {'up{job="saraban-adapter",instance="a"}': "0+0x180"},
        {'up{job="saraban-adapter",instance="a"}': "1+0x180"},
        {"job": "saraban-adapter", "instance": "a"},
    ),
    "SarabanAdapterNotReady": Case(
        {'saraban_adapter_not_ready{job="saraban-adapter",instance="a",cause="broker"}': "1+0x180"},
        {'saraban_adapter_not_ready{job="saraban-adapter",instance="a",cause="broker"}': "0+0x180"},
        {"job": "saraban-adapter", "instance": "a", "cause": "broker"},
    ),
    "SarabanAdapterSendLag": Case(
        {'saraban_adapter_send_lag_seconds{job="saraban-adapter",instance="a"}': "600+60x180"},
        {'saraban_adapter_send_lag_seconds{job="saraban-adapter",instance="a"}': "2+0x180"},
        {"job": "saraban-adapter", "instance": "a"},
    ),
    "SarabanAdapterQuarantine": Case(
        {'saraban_adapter_arrivals{job="saraban-adapter",instance="a",state="quarantined"}': "1+0x180"},
        {'saraban_adapter_arrivals{job="saraban-adapter",instance="a",state="quarantined"}': "0+0x180"},
        {"job": "saraban-adapter", "instance": "a"},
    ),
    "SarabanAdapterMissing": Case(
        {'saraban_adapter_missing_consignments{job="saraban-adapter",instance="a"}': "1+0x180"},
        {'saraban_adapter_missing_consignments{job="saraban-adapter",instance="a"}': "0+0x180"},
        {"job": "saraban-adapter", "instance": "a"},
    ),
    "SarabanAdapterCertificateEnds": Case(
        {
            'saraban_adapter_certificate_days_left{job="saraban-adapter",instance="a",certificate="seal"}': "12+0x180"
        },
        {
            'saraban_adapter_certificate_days_left{job="saraban-adapter",instance="a",certificate="seal"}': "300+0x180"
        },
        {"job": "saraban-adapter", "instance": "a", "certificate": "seal"},
    ),
}
