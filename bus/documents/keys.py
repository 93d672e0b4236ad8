"""Reading private keys from PEM files, which nobody but their owner may read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bus.errors import Misconfigured, Problem
from bus.platform.process import open_to_others


def read_private_key(
    path: Path, passphrase: str | None, unfit: Callable[[PrivateKeyTypes], str | None], fix: str
) -> PrivateKeyTypes:
    """Read a key. Raises Misconfigured for one that is missing, readable by others, or `unfit`, which says why.

    `fix` is what to do about an unfit key.
    """
    try:
        # One descriptor for both, so that the rights looked at are those of the bytes read.
        with path.open("rb") as file:
            is_open, pem = open_to_others(file.fileno()), file.read()
        if is_open:
            wrong, fix = "can be read by others than its owner", f"Run: chmod 600 {path}"
        else:
            key = load_pem_private_key(pem, passphrase.encode() if passphrase else None)
            why = unfit(key)
            if why is None:
                return key
            wrong = f"holds {why}"
    except OSError as exc:
        wrong, fix = f"cannot be read ({exc.strerror})", "Give the path of the private key, as PEM."
    except TypeError:
        wrong = "is encrypted and no passphrase is given, or a passphrase is given and it is not encrypted"
        fix = "Set the passphrase for an encrypted key, and for no other."
    except (ValueError, UnsupportedAlgorithm):
        wrong, fix = "is no private key, or has another passphrase", "Give a PEM key and its own passphrase."
    raise Misconfigured(Problem(str(path), "key", wrong, fix))
