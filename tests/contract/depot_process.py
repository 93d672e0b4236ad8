"""A depot in a process of its own, to be measured and killed: folder and agencies' certificates on the command line.

    python -m tests.contract.depot_process FOLDER PORT CODE=CERTIFICATE…

It prints a line when it serves. Every agency is a party of every file.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import uvicorn
from cryptography.x509 import load_pem_x509_certificate

from bus.depot.app import Access, build_app
from bus.depot.store import open_local_depot
from bus.directory import PinnedCertificate


class _Telling(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print("serving", flush=True)


def main() -> None:
    folder, port, *agencies = sys.argv[1:]
    pins: dict[str, list[PinnedCertificate]] = {}
    for agency in agencies:
        code, _, path = agency.partition("=")
        certificate = load_pem_x509_certificate(Path(path).read_bytes())
        pins[code] = [PinnedCertificate.of(certificate)]
    depot = open_local_depot(Path(folder), parties=lambda *_: True, named=lambda _: True, reserve=0)
    access = Access(pins_of=lambda code: pins.get(code, []), suspended=lambda _: False)
    config = uvicorn.Config(
        build_app(depot, access), port=int(port), log_level="warning", lifespan="off", ws="none"
    )
    _Telling(config).run()


if __name__ == "__main__":
    main()
