"""What an adapter's doctor looks at; nothing of it changes the mailbox, and it can be asked while the adapter runs."""

from adapters.doctor.checks import checks
from adapters.doctor.configuration import mistakes, require_right

__all__ = ["checks", "mistakes", "require_right"]
