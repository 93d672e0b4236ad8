"""What `doctor` finds of the doors that listen, whether the adapter runs or not."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from adapters.doctor.doors import checks
from bus.doctor import Found, Level
from bus.documents.authority import Authority
from bus.documents.making import KeyFiles, new_key, write_pair
from bus.settings.adapter import AdapterSettings, RestConnector
from bus.settings.tls import trusting
from compose.local import free_port
from tests.assets.factory import OCS
from tests.contract.doors.door import World
from tests.contract.doors.rest import Served


def look(world: World, **connectors: object) -> list[Found]:
    settings = AdapterSettings(
        agency=OCS, mailbox={"folder": world.folder / "mailbox"}, connectors=connectors
    )
    found: list[Found] = []
    for each in checks(settings):
        found += asyncio.run(each.look())  # type: ignore[arg-type]
    return found


def test_a_port_that_is_free_is_right_and_one_that_another_program_has_is_not(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        rest, ecms = look(
            world,
            rest={"enabled": True, "listen_port": free_port()},
            ecms={"enabled": True, "port": taken},
        )
    assert rest.level is Level.OK
    assert (ecms.level, "cannot be had" in ecms.sentence) == (Level.FAIL, True)
    assert look(world) == []


def test_the_running_adapter_answers_at_its_doors_or_that_is_wrong(world: World) -> None:
    served = Served(world.folder / "mailbox", OCS)
    served.start()
    try:
        with world.mailbox.exclusive():
            rest, ecms = look(
                world,
                rest={"enabled": True, "listen_port": served.port},
                ecms={"enabled": True, "port": free_port()},
            )
    finally:
        served.stop()
    assert (rest.level, "answers" in rest.sentence) == (Level.OK, True)
    assert (ecms.level, "does not answer" in ecms.sentence) == (Level.FAIL, True)


def test_a_door_over_mutual_tls_is_looked_at_without_a_certificate_and_its_own_end_is_told(
    world: World, tmp_path: Path
) -> None:
    authority, key = Authority.make("Sample"), new_key()
    files, shown = KeyFiles.named(tmp_path, "ca"), KeyFiles.named(tmp_path, "server")
    authority.write(files)
    write_pair(key, authority.server(key.public_key(), ["127.0.0.1"], days=1), shown)
    section = {
        "enabled": True,
        "certificate": shown.certificate,
        "key": shown.key,
        "client_ca_file": files.certificate,
    }
    served = Served(world.folder / "mailbox", OCS, tls=RestConnector(**section).tls())
    own, client = new_key(), KeyFiles.named(tmp_path, "program")
    write_pair(own, authority.client(own.public_key(), "program"), client)
    context = trusting(files.certificate, "test")
    context.load_cert_chain(client.certificate, client.key)
    served.start(verify=context)
    plain = Served(world.folder / "mailbox", OCS)
    plain.start()
    try:
        with world.mailbox.exclusive():
            port, certificate = look(world, rest=section | {"listen_port": served.port})
            (wrong, _) = look(world, rest=section | {"listen_port": plain.port})
    finally:
        served.stop()
        plain.stop()
    assert (port.level, "https" in port.sentence) == (Level.OK, True)
    assert certificate.level is Level.WARN
    assert (wrong.level, "no https" in wrong.sentence) == (Level.FAIL, True)
