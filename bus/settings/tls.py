"""Every TLS context of the bus and of the adapters: TLS 1.2 at least, and 1.3 wherever the other side has it."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from bus.errors import Misconfigured, Problem
from bus.platform.process import open_to_others

LEAST: Final = ssl.TLSVersion.TLSv1_2


def trusting(ca_file: Path | None, key: str) -> ssl.SSLContext:
    """A client's context that verifies name and chain against the authorities of a file, or against the system's."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as exc:
        wrong, fix = (
            "holds no certificates that can be read",
            "Name a PEM file with the authority's certificate",
        )
        raise Misconfigured(Problem(str(ca_file), key, wrong, fix)) from exc
    context.minimum_version = LEAST
    return context


def believing_all() -> ssl.SSLContext:
    """A context that believes any certificate: to see whether TLS is spoken, with nothing said over it."""
    context = ssl.create_default_context()
    context.minimum_version = LEAST
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def serving(certificate: Path, key: Path, passphrase: SecretStr | None, section: str) -> ssl.SSLContext:
    """A server's context that shows this certificate. Raises Misconfigured as `show`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = LEAST
    show(context, certificate, key, passphrase, section)
    return context


def show(
    context: ssl.SSLContext, certificate: Path, key: Path, passphrase: SecretStr | None, section: str
) -> None:
    """Have a context show a certificate (and the chain behind it in the file), with the key that it belongs to.

    Raises Misconfigured for files that cannot be read or do not belong together, and for a key that others can read.
    """
    try:
        with key.open("rb") as file:
            is_open = open_to_others(file.fileno())
        if is_open:
            raise Misconfigured(
                Problem(str(key), f"{section}.key", "can be read by others", f"Run chmod 600 {key}")
            )
        # Without a passphrase, OpenSSL would ask for one at the terminal, and wait.
        secret = passphrase.get_secret_value() if passphrase is not None else ""
        context.load_cert_chain(certificate, key, secret)
    except ssl.SSLError as exc:
        wrong = f"is no certificate in PEM form of the key in {key}, or that key has another passphrase"
        variable = f"__{section.upper().replace('.', '__')}__PASSPHRASE"
        fix = f"Name the pair made together, and set its passphrase by the variable that ends in {variable}"
        raise Misconfigured(Problem(str(certificate), f"{section}.certificate", wrong, fix)) from exc
    except OSError as exc:
        file_name = str(key if exc.filename == str(key) else certificate)
        wrong = f"cannot be read: {os.strerror(exc.errno or 0).lower()}"
        raise Misconfigured(
            Problem(file_name, f"{section}.certificate", wrong, "Put it there, or mend the path")
        ) from exc


def require_clients(context: ssl.SSLContext, ca_file: Path, key: str) -> None:
    """Have a server's context ask every client for a certificate of these authorities. Raises Misconfigured."""
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ssl.SSLError) as exc:
        wrong, fix = (
            "holds no certificates that can be read",
            "Name a PEM file with the authority's certificate",
        )
        raise Misconfigured(Problem(str(ca_file), key, wrong, fix)) from exc
    context.verify_mode = ssl.CERT_REQUIRED


def require_both(certificate: Path | None, key: Path | None) -> None:
    """Raise ValueError where one of a certificate and its key is named without the other."""
    if (certificate is None) is not (key is None):
        raise ValueError("certificate and key belong together: name both, or neither")
