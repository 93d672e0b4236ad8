"""The directory: which agencies there are, what they may do and which certificates speak for them.

It is data of the deployment, in versions: each version in force is an entry of the ledger. What travels to the agencies
is what a version changes; the whole of it is fetched by its digest (records.py).
"""

from bus.directory.authorities import Authority, PinnedOrganization, Vouched
from bus.directory.lines import directory_of, records_of, require_readable
from bus.directory.model import BUS, Agency, Directory, Group, PinnedCertificate, Topic
from bus.directory.names import Names, name_of
from bus.directory.reading import load_directory
from bus.directory.records import Changes, Records

__all__ = [
    "BUS",
    "Agency",
    "Authority",
    "Changes",
    "Directory",
    "Group",
    "Names",
    "PinnedCertificate",
    "PinnedOrganization",
    "Records",
    "Topic",
    "Vouched",
    "directory_of",
    "load_directory",
    "name_of",
    "records_of",
    "require_readable",
]
