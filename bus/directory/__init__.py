"""The directory: which agencies there are, what they may do and which certificates speak for them.

It is data of the deployment, in versions: each version in force is an entry of the ledger and travels to the
agencies as signed canonical JSON.
"""

from bus.directory.model import BUS, Agency, Directory, Group, PinnedCertificate, Topic, to_json
from bus.directory.names import Names, agencies_in
from bus.directory.reading import from_json, load_directory

__all__ = [
    "BUS",
    "Agency",
    "Directory",
    "Group",
    "Names",
    "PinnedCertificate",
    "Topic",
    "agencies_in",
    "from_json",
    "load_directory",
    "to_json",
]
