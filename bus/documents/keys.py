"""Private keys in PEM files, which nobody but their owner may read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from bus.errors import Misconfigured, Problem
from bus.platform.folders import sync_folder
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


def write_private_key(path: Path, key: PrivateKeyTypes, passphrase: str | None = None) -> None:
    """Write a key that was not there. Raises Misconfigured for a file that is there: a key is never written over."""
    encryption: KeySerializationEncryption = (
        BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    )
    write_private(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))


def replace_private(path: Path, content: bytes) -> None:
    """Put a file in the place of another, for its owner only: at every moment there is the old one or the new one.

    Raises Misconfigured. What a kill leaves beside it is written over the next time.
    """
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    write_private(beside, content)
    os.replace(beside, path)
    sync_folder(path.parent)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that was not there, for its owner only, in a folder likewise if there is none yet. Raises as above.

    It has its rights when it is created, and is given none afterwards: at no moment can others read it.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as exc:
        fix = "Choose another name, or move it away first: what it opens or signed stays bound to it."
        raise Misconfigured(Problem(str(path), "file", "is there, and is never written over", fix)) from exc
    except OSError as exc:
        wrong = f"cannot be written: {(exc.strerror or type(exc).__name__).lower()}"
        raise Misconfigured(Problem(str(path), "file", wrong, "Mend the path or its rights.")) from exc
