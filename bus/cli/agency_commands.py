"""`saraban-bus agency`, with all its commands."""

from __future__ import annotations

from bus.cli import agency_changes, agency_listing
from bus.cli.agency import app as app

app.command("list")(agency_listing.agency_list)
app.command("show")(agency_listing.agency_show)
agency_changes.register(app)
