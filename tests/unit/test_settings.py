"""Settings: file, environment, secrets, mistakes, and the examples that ship."""

from __future__ import annotations

import os
import re
import ssl
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from bus import assets
from bus.documents.making import write_seal
from bus.errors import Misconfigured, Problem
from bus.settings import tls
from bus.settings.adapter import NOBODY, AdapterSettings, load_adapter_settings
from bus.settings.bus import BusSettings, load_bus_settings
from bus.settings.clusters import section_of
from bus.settings.loading import Settings
from bus.settings.sections import BrokerAccess
from bus.settings.transport import each_host
from tests.assets import factory
from tests.assets.described import describe
from tests.project import ROOT

EXAMPLES: list[tuple[str, type[Settings]]] = [("bus.toml", BusSettings), ("adapter.toml", AdapterSettings)]
Write = Callable[[str], Path]


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [each for each in os.environ if each.startswith("SARABAN_")]:
        monkeypatch.delenv(variable)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> Path:
        path = tmp_path / "settings.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return written


def _problems(load: Callable[[Path | None], Settings], path: Path | None) -> dict[str, Problem]:
    with pytest.raises(Misconfigured) as caught:
        load(path)
    found = {each.key: each for each in caught.value.problems}
    assert len(found) == len(caught.value.problems)
    assert all(each.fix for each in found.values())
    return found


# ── the shipped examples ────────────────────────────────────────────────────────────────────────────


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _flat(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return found


def _with_comments_removed(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What an example states, and what it would state with its commented settings made real (first one wins)."""
    text = assets.path(f"config/{name}").read_text(encoding="utf-8")
    stated = _flat(tomllib.loads(text))
    section = ""
    commented: dict[str, Any] = {}
    for line in text.splitlines():
        if heading := re.fullmatch(r"(?:# )?\[([a-z_.]+)\]", line):
            section = f"{heading[1]}."
        elif section.startswith("clusters."):
            continue  # its name is an example, and its keys are those of [broker]
        elif setting := re.fullmatch(r"# ([a-z_]+) = (.+)", line):
            commented.setdefault(section + setting[1], tomllib.loads(f"value = {setting[2]}")["value"])
    return stated, commented


@pytest.mark.parametrize(("name", "model"), EXAMPLES)
def test_an_example_names_every_setting_and_nothing_else(name: str, model: type[Settings]) -> None:
    stated, commented = _with_comments_removed(name)
    described = describe(model)
    assert stated.keys() | commented.keys() == {each.key for each in described if not each.secret}
    text = assets.path(f"config/{name}").read_text(encoding="utf-8")
    prefix = str(model.model_config["env_prefix"])
    for each in described:
        if each.secret:
            assert prefix + each.key.replace(".", "__").upper() in text


@pytest.mark.parametrize(("name", "model"), EXAMPLES)
def test_a_commented_setting_shows_the_default(name: str, model: type[Settings]) -> None:
    defaults = {each.key: each.default for each in describe(model)}
    stated, commented = _with_comments_removed(name)
    for key, shown in commented.items():
        if key not in stated and (defaults[key] or shown == ""):
            stands = str(shown).lower() if isinstance(shown, bool) else str(shown)
            assert stands == defaults[key], key


def test_the_examples_load() -> None:
    bus = load_bus_settings(assets.path("config/bus.toml"))
    assert bus.directory.file == assets.path("config/agencies.toml")
    assert bus.calendar.file.is_file()
    assert bus.depot.max_file_bytes == 512 * 1024 * 1024
    adapter = load_adapter_settings(assets.path("config/adapter.toml"))
    assert adapter.agency == NOBODY
    assert adapter.broker.user == f"agency.{NOBODY}"
    assert adapter.resend_after == 30


def test_the_example_of_a_further_cluster_loads_once_it_is_made_real(tmp_path: Path) -> None:
    text = assets.path("config/bus.toml").read_text(encoding="utf-8")
    (example,) = re.findall(r"^(# \[clusters\.north\]\n(?:# .+\n)+)", text, re.MULTILINE)
    path = tmp_path / "bus.toml"
    path.write_text(text.replace(example, example.replace("# ", "")), encoding="utf-8")
    settings = load_bus_settings(path)
    assert list(settings.brokers) == ["main", "north"]
    assert settings.brokers["main"] is settings.broker
    north = settings.brokers["north"]
    assert north.url == "amqps://mq-north.example.go.th:5671"
    assert north.passwords_folder == tmp_path / "passwords-north", (
        "a relative path starts from the file here too"
    )
    assert (north.vhost, north.user) == (settings.broker.vhost, settings.broker.user)
    with pytest.raises(Misconfigured, match=r"clusters\.north\.password_file"), section_of("north"):
        north.address()


@pytest.mark.parametrize("model", [BusSettings, AdapterSettings])
def test_every_setting_is_described_by_a_sentence(model: type[Settings]) -> None:
    for each in describe(model):
        assert re.fullmatch(r"[A-Z`].+\.", each.sentence), each.key
    assert len({each.key for each in describe(model)}) == len(describe(model))


def test_a_wrong_value_is_told_with_the_sentence_of_its_setting(write: Write) -> None:
    problems = _problems(load_bus_settings, write("[router]\nbatch = 0\n"))
    (said,) = (each.sentence for each in describe(BusSettings) if each.key == "router.batch")
    assert problems["router.batch"].fix == f"It is meant so: {said}"


# ── where a value comes from ────────────────────────────────────────────────────────────────────────


def test_the_environment_overrules_the_file_one_key_at_a_time(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("[router]\nbatch = 16\nprefetch = 100\n")
    monkeypatch.setenv("SARABAN_BUS__ROUTER__BATCH", "32")
    settings = load_bus_settings(path)
    assert (settings.router.batch, settings.router.prefetch) == (32, 100)


def test_without_a_file_there_are_defaults_on_this_machine_only() -> None:
    settings = load_bus_settings()
    for url in (settings.broker.url, settings.broker.management_url, settings.depot.url):
        assert "://127.0.0.1:" in url
    assert settings.depot.listen_host == "127.0.0.1"


def test_relative_paths_start_from_the_file(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write('[ledger]\nurl = "sqlite:///var/my.db"\n[depot]\nfolder = "/srv/depot"\n')
    monkeypatch.chdir("/")
    settings = load_bus_settings(path)
    assert settings.ledger.url == f"sqlite:///{tmp_path}/var/my.db"
    assert settings.ledger.address() == settings.ledger.url
    assert settings.depot.database_address() == f"sqlite:///{tmp_path}/var/depot.db"
    assert settings.depot.folder == Path("/srv/depot")
    assert settings.seal.key == tmp_path / "keys/bus.key.pem"
    assert settings.directory.certificates is None


def test_settings_do_not_change() -> None:
    settings = load_bus_settings()
    with pytest.raises(ValueError, match="frozen"):
        setattr(settings.router, "batch", 1)  # noqa: B010 - as a program would that no type checker has seen
    with pytest.raises(ValueError, match="frozen"):
        setattr(settings, "router", settings.router)  # noqa: B010


# ── secrets ─────────────────────────────────────────────────────────────────────────────────────────


def test_addresses_carry_the_password_quoted_and_nothing_else_shows_it(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SARABAN_BUS__BROKER__PASSWORD", "p/@:ลับ")
    monkeypatch.setenv("SARABAN_BUS__LEDGER__PASSWORD", "x y")
    settings = load_bus_settings(
        write('[broker]\nvhost = "sara/ban"\n[ledger]\nurl = "postgresql://saraban@127.0.0.1:5433/saraban"\n')
    )
    assert settings.broker.address() == (
        "amqp://bus.router:p%2F%40%3A%E0%B8%A5%E0%B8%B1%E0%B8%9A@127.0.0.1:5672/sara%2Fban"
    )
    assert settings.ledger.address() == "postgresql://saraban:x%20y@127.0.0.1:5433/saraban"
    assert "ลับ" not in repr(settings)
    assert "x y" not in repr(settings)


def test_a_password_may_come_from_a_file_of_its_owner(write: Write, tmp_path: Path) -> None:
    settings = load_bus_settings(
        write('[broker]\npassword_file = "secret"\nmanagement_password_file = "secret"\n')
    )
    secret = tmp_path / "secret"
    with pytest.raises(Misconfigured, match="no such file"):
        settings.broker.address()
    secret.write_text("from-file\n")
    secret.chmod(0o640)
    with pytest.raises(Misconfigured, match="can be read by others"):
        settings.broker.address()
    secret.chmod(0o600)
    assert settings.broker.address() == "amqp://bus.router:from-file@127.0.0.1:5672/saraban"
    assert settings.broker.management_password_text() == "from-file"


def test_the_environments_password_goes_before_the_files(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SARABAN_BUS__BROKER__PASSWORD", "from-environment")
    settings = load_bus_settings(write('[broker]\npassword_file = "nowhere"\n'))
    assert ":from-environment@" in settings.broker.address()


def test_a_secret_in_the_settings_file_is_a_mistake(write: Write) -> None:
    path = write(
        '[broker]\npassword = "hunter2"\n[seal]\npassphrase = "hunter2"\n[ledger]\nurl = "postgresql://u:hunter2@h/d"\n'
    )
    problems = _problems(load_bus_settings, path)
    assert set(problems) == {"broker.password", "seal.passphrase", "ledger.url"}
    assert "SARABAN_BUS__BROKER__PASSWORD" in problems["broker.password"].fix
    assert "hunter2" not in str(list(problems.values()))


def test_a_passphrase_is_given_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_bus_settings().seal.passphrase_text() is None
    monkeypatch.setenv("SARABAN_BUS__SEAL__PASSPHRASE", "open sesame")
    assert load_bus_settings().seal.passphrase_text() == "open sesame"


def test_a_broker_of_several_nodes_is_one_url_with_one_user_and_each_host_its_own_for_a_connection() -> None:
    broker = BrokerAccess(url="amqps://a:1,[::1]:2/", user="u", password=SecretStr("p,@"))
    assert broker.address() == "amqps://u:p%2C%40@a:1,[::1]:2/saraban"
    assert each_host(broker.address()) == {
        "a:1": "amqps://u:p%2C%40@a:1/saraban",
        "[::1]:2": "amqps://u:p%2C%40@[::1]:2/saraban",
    }


@pytest.mark.parametrize("hosts", ["a:1,", ",a", "a,a", "a:x,b", "u@a,b", "a,u:p@b", "a,b/vhost", "a,b?x=1"])
def test_each_of_several_hosts_is_held_to_what_a_single_one_is(hosts: str) -> None:
    with pytest.raises(ValidationError):
        BrokerAccess(url=f"amqps://{hosts}")


def test_nobody_becomes_the_brokers_guest_by_leaving_the_user_out() -> None:
    settings = AdapterSettings(agency="1100700000")
    with pytest.raises(Misconfigured, match="is empty"):
        settings.broker.address()


def test_tls_is_verified_and_a_broken_authority_is_a_mistake(write: Write, tmp_path: Path) -> None:
    assert load_bus_settings().broker.tls() is None
    context = load_bus_settings(write('[broker]\nurl = "amqps://mq.example.go.th:5671"\n')).broker.tls()
    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    (tmp_path / "ca.pem").write_text("no certificate")
    broken = load_bus_settings(write('[broker]\nurl = "amqps://mq.example.go.th"\nca_file = "ca.pem"\n'))
    with pytest.raises(Misconfigured, match="holds no certificates"):
        broken.broker.tls()


# ── mistakes ────────────────────────────────────────────────────────────────────────────────────────


def test_all_mistakes_of_file_and_environment_are_told_at_once(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SARABAN_ADAPTER__DEPT__URL", "http://127.0.0.1")
    monkeypatch.setenv("SARABAN_ADAPTER__DEPOT__URL", "ftp://127.0.0.1")
    monkeypatch.setenv("SARABAN_ADAPTER__DEPOT__PORT", "80")
    path = write(
        'agenci = "1100700000"\nprefetch = 0\nseal = "keys"\n'
        '[broker]\nurl = "amqp://u:p@127.0.0.1"\nhearbeat = 30\nheartbeat = "often"\n'
        '[connectors.folder]\nenabled = "perhaps"\n[log]\nlevel = "LOUD"\n'
    )
    problems = _problems(load_adapter_settings, path)
    environment = {key: each.fix for key, each in problems.items() if each.file == "environment"}
    assert set(environment) == {
        "SARABAN_ADAPTER__DEPT__URL",
        "SARABAN_ADAPTER__DEPOT__URL",
        "SARABAN_ADAPTER__DEPOT__PORT",
    }
    in_file = {key: each.fix for key, each in problems.items() if each.file == str(path)}
    assert set(in_file) == {
        "agency",
        "agenci",
        "prefetch",
        "seal",
        "broker.url",
        "broker.hearbeat",
        "broker.heartbeat",
        "connectors.folder.enabled",
        "log.level",
    }
    assert in_file["agenci"] == "Write agency"
    assert in_file["broker.hearbeat"] == "Write heartbeat"
    assert "SARABAN_ADAPTER__AGENCY" in in_file["agency"]
    assert "ten digits" in in_file["agency"]


@pytest.mark.parametrize(
    "text",
    [
        '[broker]\nurl = "http://127.0.0.1"',
        '[broker]\nurl = "amqp://127.0.0.1/vhost"',
        '[broker]\nurl = "amqp://127.0.0.1:port"',
        '[broker]\nurl = "amqp://127.0.0.1?heartbeat=0"',
        '[broker]\nuser = ""',
        '[ledger]\nurl = "mysql://h/d"',
        '[ledger]\nurl = "sqlite://"',
        '[ledger]\nurl = "sqlite:///"',
        "[depot]\nlisten_port = 0",
        "[depot]\nquota_bytes = 1",
        "[router]\nbatch = 64\nprefetch = 63",
        '[router]\nname = "Router One"',
        "[clusters.main]",
        "[clusters.North]",
        "[clusters.north]\nhearbeat = 30",
        '[clusters.north]\nurl = "amqp://mq-north.example.go.th"',
        '[clusters.north]\npassword = "secret"',
    ],
)
def test_what_cannot_work_is_a_mistake(write: Write, text: str) -> None:
    problems = _problems(load_bus_settings, write(text))
    assert len(problems) == 1


def test_a_cluster_is_set_by_the_environment_as_everything_else(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SARABAN_BUS__CLUSTERS__NORTH__PASSWORD", "from-environment")
    settings = load_bus_settings(write('[clusters.north]\nurl = "amqp://127.0.0.1:5673"\n'))
    address = settings.brokers["north"].address()
    assert address == "amqp://bus.router:from-environment@127.0.0.1:5673/saraban"
    misspelt = _problems(load_bus_settings, write("[clusters.north]\nhearbeat = 30"))
    assert misspelt["clusters.north.hearbeat"].fix == "Write heartbeat"


# ── enrolment ───────────────────────────────────────────────────────────────────────────────────────


def test_without_a_word_an_operator_is_asked_about_every_renewal() -> None:
    enrolment = load_bus_settings().enrolment
    assert (enrolment.centre, enrolment.broker, enrolment.renewal) == (None, None, "ask")


@pytest.mark.parametrize("policy", ["auto", "ask", "off"])
def test_each_policy_of_renewal_is_taken_from_file_and_environment(
    write: Write, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    assert load_bus_settings(write(f'[enrolment]\nrenewal = "{policy}"')).enrolment.renewal == policy
    monkeypatch.setenv("SARABAN_BUS__ENROLMENT__RENEWAL", policy)
    assert load_bus_settings(write('[enrolment]\nrenewal = "ask"')).enrolment.renewal == policy


def test_the_addresses_for_invitations_may_be_others_than_the_routers_own(write: Write) -> None:
    text = (
        'centre = "https://bus.example.go.th/"\nbroker = "amqps://mq1.example.go.th,mq2.example.go.th:5671"'
    )
    settings = load_bus_settings(write(f"[enrolment]\n{text}"))
    assert settings.enrolment.centre == "https://bus.example.go.th"
    assert settings.enrolment.broker == "amqps://mq1.example.go.th,mq2.example.go.th:5671"
    assert settings.broker.url != settings.enrolment.broker


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('centre = "ftp://bus.example.go.th"', "centre"),
        ('centre = "https://user:secret@bus.example.go.th"', "centre"),
        ("centre = 443", "centre"),
        ('broker = "https://mq.example.go.th"', "broker"),
        ('broker = "amqps://mq.example.go.th/vhost"', "broker"),
        ("broker = true", "broker"),
        ('renewal = "Auto"', "renewal"),
        ('renewal = ""', "renewal"),
        ("renewal = false", "renewal"),  # as TOML's readers of YAML might take `off`
        ('renewals = "ask"', "renewals"),
    ],
)
def test_what_enrolment_cannot_be_is_named_by_its_key(write: Write, line: str, key: str) -> None:
    problems = _problems(load_bus_settings, write(f"[enrolment]\n{line}"))
    assert problems.keys() == {f"enrolment.{key}"}
    assert "secret" not in str(problems.values())
    if key == "renewals":
        assert problems["enrolment.renewals"].fix == "Write renewal"


def test_a_whole_table_in_one_variable_must_be_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SARABAN_BUS__ROUTER", "batch=3")
    assert _problems(load_bus_settings, None).keys() == {"SARABAN_BUS__"}


def test_a_file_that_is_no_toml_says_where(write: Write) -> None:
    problems = _problems(load_bus_settings, write("[broker]\nurl = amqp"))
    assert "line 2" in problems["(file)"].wrong


# ── certificates of a connection ────────────────────────────────────────────────────────────────────

SHOWN = 'certificate = "c.pem"\nkey = "k.pem"\n'
AMQPS = 'url = "amqps://mq.example.go.th"\n'


def test_who_logs_in_by_certificate_has_an_address_without_a_password(write: Write, tmp_path: Path) -> None:
    files = write_seal(factory.seal(), tmp_path, "router")
    certificate, key = files.certificate.name, files.key.name
    broker = load_bus_settings(
        write(f'[broker]\n{AMQPS}certificate = "{certificate}"\nkey = "{key}"\n')
    ).broker
    assert broker.address() == "amqps://bus.router@mq.example.go.th/saraban"
    context = broker.tls()
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    files.key.chmod(0o644)
    with pytest.raises(Misconfigured, match=r"broker\.key: can be read by others"):
        broker.tls()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'[broker]\n{AMQPS}certificate = "c.pem"\n', "name both, or neither"),
        (f'[broker]\n{AMQPS}key = "k.pem"\n', "name both, or neither"),
        (f'[broker]\n{AMQPS}{SHOWN}password_file = "p"\n', "two ways to log in"),
        (f"[broker]\n{SHOWN}", "amqps://"),
        ('[depot]\ncertificate = "c.pem"\n', "name both, or neither"),
        ('[depot]\nkey = "k.pem"\n', "name both, or neither"),
    ],
)
def test_a_certificate_that_would_not_be_used_is_a_mistake(write: Write, text: str, said: str) -> None:
    (problem,) = _problems(load_bus_settings, write(text)).values()
    assert said in problem.wrong


def test_every_context_asks_for_tls_1_2_at_least(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ssl.TLSVersion.TLSv1_2 == tls.LEAST
    # Python asks for that by itself since 3.10; that ours is set is seen by setting another.
    monkeypatch.setattr(tls, "LEAST", ssl.TLSVersion.TLSv1_3)
    files = write_seal(factory.seal(), tmp_path, "depot")
    shown = f'certificate = "{files.certificate.name}"\nkey = "{files.key.name}"\n'
    bus = load_bus_settings(write(f"[broker]\n{AMQPS}{shown}[depot]\n{shown}"))
    contexts = [bus.broker.tls(), bus.broker.management_tls(), bus.depot.tls(), bus.depot.serving_tls()]
    for context in contexts:
        assert context is not None
        assert context.minimum_version == ssl.TLSVersion.TLSv1_3


def test_every_context_is_made_in_one_place() -> None:
    made = [
        path.relative_to(ROOT).as_posix()
        for room in ("bus", "adapters")
        for path in (ROOT / room).rglob("*.py")
        if re.search(
            r"SSLContext\(|create_default_context|PROTOCOL_TLS|verify=True|verify=False", path.read_text()
        )
    ]
    assert made == ["bus/settings/tls.py"]
