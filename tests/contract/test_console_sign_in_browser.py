"""Signing in with a real browser: cookies that it sends as browsers do, and pages that work without scripts."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from playwright.sync_api import Browser, Page, expect, sync_playwright

from bus.ledger.store import Ledger
from bus.operators import Role
from bus.pages.entering import cookie_name
from bus.people import People, Person
from compose.programs import browser as browser_program
from tests.browser.visiting import PATIENCE
from tests.contract.console_rig import Console, console_over
from tests.contract.test_console_oidc import Given, provider_process, settings_for

NAME, PASSWORD = "ตัวอย่าง-ก", "sample password 1"
ROOT_USER = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = browser_program()
    assert program is not None, "make setup installs a browser"
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if ROOT_USER else []
        started = playwright.chromium.launch(executable_path=program, args=arguments)
        yield started
        started.close()


@pytest.fixture(scope="module")
def provider() -> Iterator[Given]:
    with provider_process() as given:
        yield given


@pytest.fixture(scope="module")
def console(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, provider: Given
) -> Iterator[Console]:
    folder = tmp_path_factory.mktemp("browser")
    shutil.copy(sqlite_template, folder / "ledger.db")
    password = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    at = datetime(2026, 11, 1, tzinfo=UTC)
    People(folder / "people.toml", (Person(NAME, Role.STEWARD, at, password=password),)).write()
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}")
    with console_over(ledger, folder, console=settings_for(provider.issuer, folder)) as opened:
        yield opened
    ledger.close()


@pytest.fixture(params=[True, False], ids=["scripts", "no scripts"])
def page(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(java_script_enabled=request.param)
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


def test_by_name_and_password(console: Console, page: Page) -> None:
    page.goto(f"{console.address}/sign-ins?what=in")
    assert page.url.startswith(f"{console.address}/sign-in?to=")
    page.get_by_label("ชื่อผู้ใช้").fill(NAME)
    page.get_by_label("รหัสผ่าน").fill("wrong")
    page.get_by_role("button", name="เข้าสู่ระบบ").click()
    expect(page.get_by_role("alert")).to_contain_text("ชื่อผู้ใช้หรือรหัสผ่านไม่ถูกต้อง")
    expect(page.get_by_role("alert")).to_be_focused()
    expect(page.get_by_label("ชื่อผู้ใช้")).to_have_value(NAME)
    page.get_by_label("รหัสผ่าน").fill(PASSWORD)
    page.get_by_role("button", name="เข้าสู่ระบบ").click()
    expect(page).to_have_url(f"{console.address}/sign-ins?what=in")
    page.get_by_role("button", name="ออกจากระบบ").click()
    expect(page.get_by_role("status")).to_contain_text("ออกจากระบบแล้ว")
    page.goto(f"{console.address}/sign-ins")
    assert page.url.startswith(f"{console.address}/sign-in?to=")


def test_by_the_provider_and_back_with_a_strict_cookie(console: Console, page: Page, provider: Given) -> None:
    page.goto(f"{console.address}/sign-ins?what=in")
    page.get_by_role("link", name="ไปยังระบบยืนยันตัวตนของหน่วยงาน").click()
    expect(page).to_have_url(re.compile(re.escape(f"{provider.issuer}/authorize?")))
    page.get_by_role("button", name="steward").click()
    expect(page).to_have_url(f"{console.address}/sign-ins?what=in")
    expect(page.locator("header")).to_contain_text("ตัวอย่าง-ผู้ดูแล")
    strict = {one.get("name"): one.get("sameSite") for one in page.context.cookies(console.address)}
    assert strict[cookie_name(console.site)] == "Strict"
    assert "saraban-oidc" not in strict
    page.get_by_role("button", name="ออกจากระบบ").click()
    page.get_by_role("link", name="ออกจากระบบยืนยันตัวตนของหน่วยงานด้วย").click()
    expect(page.get_by_role("heading")).to_have_text("Signed out of the sample provider")


def test_a_link_on_another_site_finds_the_session(console: Console, page: Page, provider: Given) -> None:
    page.goto(f"{console.address}/sign-in/oidc?to=/sign-ins")
    page.get_by_role("button", name="steward").click()
    expect(page).to_have_url(f"{console.address}/sign-ins")
    there = f"{console.address}/sign-ins?what=in"
    page.goto(f"{provider.issuer}/leave?post_logout_redirect_uri={there}")
    page.get_by_role("link", name="back").click()
    expect(page).to_have_url(there)
    expect(page.locator("header")).to_contain_text("ตัวอย่าง-ผู้ดูแล")


def test_of_several_roles_one_is_chosen(console: Console, page: Page) -> None:
    page.goto(f"{console.address}/sign-in/oidc?to=/sign-ins")
    page.get_by_role("button", name="several").click()
    page.get_by_label("ผู้ตรวจสอบ").check()
    page.get_by_role("button", name="เข้าสู่ระบบ").click()
    expect(page).to_have_url(f"{console.address}/sign-ins")
    expect(page.locator("header")).to_contain_text("ผู้ตรวจสอบ")
