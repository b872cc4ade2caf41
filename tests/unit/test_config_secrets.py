"""Settings that name secrets, networks, the mail server and identity providers: resolved, checked, and never shown."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tollkeeper import config
from tollkeeper.config import sections
from tollkeeper.control.installation import load_pepper
from tollkeeper.domain.errors import ConfigurationError

CANARY = "canary-secret-77"
PRINT = f'["{sys.executable}", "-c", "print(\'{CANARY}\')"]'
PROVIDER = '[[providers]]\nname = "p"\nkind = "openai"\n'
EMAIL = '[email]\nhost = "smtp.example.com"\nsender = "Tollkeeper <t@example.com>"\n'
OIDC = '[[oidc]]\nname = "id"\nclient_id = "c"\nclient_secret_env = "S"\n'
DIRECTORY = "0A1b2c3d-0000-1111-2222-333344445555"


def load(tmp_path: Path, text: str, *, is_serving: bool = True, **environment: str) -> config.Configuration:
    path = tmp_path / "tollkeeper.toml"
    path.write_text(text, encoding="utf-8")
    return config.load(path, environment, is_serving=is_serving)


def secret_file(tmp_path: Path) -> str:
    path = tmp_path / "secret"
    path.write_text(CANARY + "\n")
    path.chmod(0o600)
    return str(path)


def test_a_providers_key_comes_from_a_variable_a_file_or_a_command(tmp_path: Path) -> None:
    for place in ('api_key_env = "OWN"', f'api_key_file = "{secret_file(tmp_path)}"', f"api_key_command = {PRINT}"):
        (provider,) = load(tmp_path, PROVIDER + place, OWN=CANARY).providers
        assert provider.api_key == CANARY


def test_another_place_of_the_key_takes_the_place_of_the_usual_variable(tmp_path: Path) -> None:
    text = PROVIDER.replace('"p"', '"openai"') + f"api_key_command = {PRINT}"
    (provider,) = load(tmp_path, text, OPENAI_API_KEY="sk-1").providers
    assert provider.api_key == CANARY


def test_a_command_that_does_not_serve_reads_no_file_and_runs_nothing(tmp_path: Path) -> None:
    text = (
        PROVIDER
        + 'api_key_command = ["/no/such/program"]\n'
        + EMAIL
        + 'username = "u"\npassword_file = "/no/such/file"\n'
        + OIDC
        + 'preset = "google"'
    )
    loaded = load(tmp_path, text, is_serving=False)
    assert (loaded.providers[0].api_key, loaded.email_password, loaded.oidc[0].client_secret) == ("", "", "")


def test_a_file_that_anybody_may_read_is_told_in_the_warnings(tmp_path: Path) -> None:
    file = secret_file(tmp_path)
    Path(file).chmod(0o644)
    (warning,) = load(tmp_path, PROVIDER + f'api_key_file = "{file}"').warnings
    assert warning.startswith("provider 'p': api_key_file: ")


def test_no_representation_shows_a_secret(tmp_path: Path) -> None:
    text = f"""
[database]
url = "postgresql://u:{CANARY}@db/x"
[keys]
pepper = "{CANARY}"
{EMAIL}username = "u"
password_command = {PRINT}
{OIDC}preset = "google"
{PROVIDER}api_key_command = {PRINT}
"""
    loaded = load(tmp_path, text, S=CANARY, HTTPS_PROXY=f"http://u:{CANARY}@proxy:1")
    assert loaded.email_password == loaded.oidc[0].client_secret == loaded.providers[0].api_key == CANARY
    shown = [loaded, loaded.settings, loaded.settings.keys, loaded.settings.database, loaded.providers, loaded.oidc]
    assert CANARY not in repr(shown) + str(loaded)


def test_the_pepper_is_text_then_command_then_file(tmp_path: Path) -> None:
    path = tmp_path / "pepper"
    path.write_text("cc" * 32)
    command = (sys.executable, "-c", "print('bb' * 32)")
    assert load_pepper(text="aa" * 32, path=path, command=command) == b"\xaa" * 32
    assert load_pepper(text="", path=path, command=command) == b"\xbb" * 32
    assert load_pepper(text="", path=path) == b"\xcc" * 32
    for wrong in ("print('bb')", "print('zz' * 32)", "raise SystemExit(1)"):
        with pytest.raises(ConfigurationError, match="pepper"):
            load_pepper(text="", path=path, command=(sys.executable, "-c", wrong))


def test_a_command_cannot_come_from_the_environment(tmp_path: Path) -> None:
    for variable in ("TOLLKEEPER_KEYS__PEPPER_COMMAND", "TOLLKEEPER_EMAIL__PASSWORD_COMMAND"):
        with pytest.raises(ConfigurationError, match=f"{variable}: a command can be set in the settings file only"):
            load(tmp_path, "", **{variable: "id"})


def test_every_setting_that_runs_a_program_has_the_ending_that_keeps_it_in_the_file() -> None:
    kinds = [each for each in vars(sections).values() if isinstance(each, type) and issubclass(each, config.Section)]
    names = {name for kind in kinds for name in kind.__struct_fields__ if "command" in name}
    assert names == {
        "pepper_command",
        "password_command",
        "client_secret_command",
        "api_key_command",
        "token_command",
        "headers_command",
    }
    assert all(name.endswith(config.FILE_ONLY_ENDING) for name in names)


def test_lists_come_from_the_environment_with_commas(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        "",
        TOLLKEEPER_SERVER__TRUSTED_PROXIES="10.0.0.0/8, 192.0.2.7",
        TOLLKEEPER_KEYS__EXPIRY_WARNING_DAYS="14,2",
        TOLLKEEPER_UPSTREAM__PRIVATE_NETWORKS="",
    )
    assert loaded.trusted_proxies.contains("192.0.2.7")
    assert not loaded.trusted_proxies.contains("192.0.2.8")
    assert loaded.settings.keys.expiry_warning_days == (14, 2)
    assert not loaded.private_networks


def test_a_variable_that_a_setting_names_may_begin_with_our_prefix(tmp_path: Path) -> None:
    text = EMAIL + 'username = "u"\npassword_env = "TOLLKEEPER_EMAIL_PASSWORD"'
    assert load(tmp_path, text, TOLLKEEPER_EMAIL_PASSWORD=CANARY).email_password == CANARY
    by_environment = {
        "TOLLKEEPER_EMAIL__PASSWORD_ENV": "TOLLKEEPER_EMAIL_PASSWORD",
        "TOLLKEEPER_EMAIL_PASSWORD": CANARY,
    }
    assert load(tmp_path, EMAIL + 'username = "u"', **by_environment).email_password == CANARY
    with pytest.raises(ConfigurationError, match="TOLLKEEPER_EMAIL_PASSWORD"):
        load(tmp_path, "", TOLLKEEPER_EMAIL_PASSWORD=CANARY)


@pytest.mark.parametrize(
    ("server", "url"),
    [
        ("", "http://127.0.0.1:8080"),
        ('host = "0.0.0.0"\nport = 9000', "http://127.0.0.1:9000"),
        ('host = "::"', "http://127.0.0.1:8080"),
        ('host = "::1"', "http://[::1]:8080"),
        ('host = "gw.internal"', "http://gw.internal:8080"),
        ('public_url = "https://ai.example.com/"', "https://ai.example.com"),
        ('public_url = "https://ai.example.com:8443"', "https://ai.example.com:8443"),
    ],
)
def test_the_public_address_is_the_given_one_or_where_the_server_listens(tmp_path: Path, server: str, url: str) -> None:
    assert load(tmp_path, f"[server]\n{server}").public_url == url


def test_presets_know_their_issuers(tmp_path: Path) -> None:
    def issuer(text: str) -> str:
        return load(tmp_path, OIDC + text, S=CANARY).oidc[0].issuer

    assert issuer('preset = "google"') == "https://accounts.google.com"
    assert issuer('preset = "microsoft"') == "https://login.microsoftonline.com/organizations/v2.0"
    assert issuer(f'preset = "microsoft"\ndirectory_id = "{DIRECTORY}"\ntrust_email = true').endswith(
        f"/{DIRECTORY.lower()}/v2.0"
    )
    assert issuer('issuer = "https://id.example.com/realms/Main/"') == "https://id.example.com/realms/Main/"
    assert issuer('issuer = "http://127.0.0.1:9000"') == "http://127.0.0.1:9000"


def test_domains_are_compared_in_small_letters(tmp_path: Path) -> None:
    text = OIDC + 'preset = "google"\nallowed_domains = ["Example.COM", "kr.example.com"]'
    assert load(tmp_path, text, S=CANARY).oidc[0].allowed_domains == ("example.com", "kr.example.com")


def test_without_a_host_nothing_of_the_mail_server_is_needed(tmp_path: Path) -> None:
    assert load(tmp_path, '[email]\nusername = "u"\npassword_env = "GONE"').email_password == ""


def test_an_unprotected_connection_takes_a_password_only_on_this_machine(tmp_path: Path) -> None:
    text = EMAIL + 'security = "none"\nusername = "u"\npassword_env = "S"'
    for host in ("127.0.0.1", "::1", "localhost", "127.0.0.9"):
        assert load(tmp_path, text.replace("smtp.example.com", host), S=CANARY).email_password == CANARY
    for host in ("smtp.example.com", "10.0.0.1", "localhost.example.com"):
        with pytest.raises(ConfigurationError, match=r"email\.security"):
            load(tmp_path, text.replace("smtp.example.com", host), S=CANARY)
    assert load(tmp_path, EMAIL + 'security = "none"').email_password == ""


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[server]\ntrusted_proxies = ["10.0.0.1/8"]', "server.trusted_proxies: '10.0.0.1/8' has bits beyond"),
        ('[server]\ntrusted_proxies = ["proxy.internal"]', "server.trusted_proxies"),
        ('[upstream]\nprivate_networks = ["10.0.0.0/33"]', "upstream.private_networks"),
        ('[server]\npublic_url = "ai.example.com"', "server.public_url"),
        ('[server]\npublic_url = "https://ai.example.com/tollkeeper"', "server.public_url"),
        ('[server]\npublic_url = "https://u@ai.example.com"', "server.public_url"),
        ('[server]\npublic_url = "https://ai.example.com?x"', "server.public_url"),
        ('[server]\npublic_url = "javascript://ai.example.com"', "server.public_url"),
        ('[server]\npublic_url = "https://ai.example.com:x"', "server.public_url"),
        ('[server]\npublic_url = "https://"', "server.public_url"),
        ("[keys]\nexpiry_warning_days = [0]", "expiry_warning_days"),
        ('[accounts]\nsign_up = "anybody"', "sign_up"),
        ("[accounts]\nsession_hours = 0", "session_hours"),
        ("[accounts]\nsession_hours = 10000", "session_hours"),
        ("[accounts]\nreset_minutes = 1", "reset_minutes"),
        (EMAIL + 'username = "u"', "a username needs a password"),
        (EMAIL + 'password_env = "S"', "a password a username"),
        (EMAIL + 'username = "u"\npassword_env = "GONE"', "email.password: the environment variable GONE"),
        (EMAIL + 'username = "u"\npassword_env = "S"\npassword_file = "x"', "email.password: give one"),
        ('[email]\nhost = "smtp.example.com"', "email.sender"),
        ('[email]\nhost = "smtp.example.com"\nsender = "Tollkeeper"', "email.sender"),
        ('[email]\nhost = "smtp.example.com"\nsender = "a@example.com\\r\\nBcc: b@example.com"', "email.sender"),
        (OIDC, "oidc 'id': issuer must look like https"),
        (OIDC + 'issuer = "http://id.example.com"', "oidc 'id': issuer"),
        (OIDC + 'issuer = "https://u:p@id.example.com"', "oidc 'id': issuer"),
        (OIDC + 'issuer = "https://id.example.com?x=1"', "oidc 'id': issuer"),
        (OIDC + 'issuer = "http://127.0.0.1.example.com"', "oidc 'id': issuer"),
        (OIDC + 'preset = "google"\nissuer = "https://id.example.com"', "not both"),
        (OIDC + f'preset = "google"\ndirectory_id = "{DIRECTORY}"', "directory_id goes with"),
        (OIDC + 'preset = "microsoft"\ndirectory_id = "common"', "8-4-4-4-12"),
        (OIDC + f'preset = "microsoft"\ndirectory_id = "{DIRECTORY}/x"', "8-4-4-4-12"),
        (OIDC + 'preset = "microsoft"\ntrust_email = true', "trust_email needs a directory_id"),
        (OIDC + 'preset = "google"\nallowed_domains = ["@example.com"]', "'@example.com' is not a domain"),
        (OIDC + 'preset = "google"\nallowed_domains = ["com"]', "'com' is not a domain"),
        (OIDC.replace('"id"', '"../id"') + 'preset = "google"', "name must be small letters"),
        (OIDC.replace('"id"', '"Id"') + 'preset = "google"', "name must be small letters"),
        (OIDC.replace('"c"', '""') + 'preset = "google"', "client_id is missing"),
        (OIDC.replace('_env = "S"', '_env = "GONE"') + 'preset = "google"', "variable GONE is not set"),
        (OIDC.replace('client_secret_env = "S"', "") + 'preset = "google"', "client_secret_env, _file and _command"),
        (OIDC + 'preset = "google"\n' + OIDC + 'preset = "google"', "oidc 'id' is there twice"),
        (PROVIDER + 'api_key_env = "S"\napi_key_file = "x"', "provider 'p': api_key: give one"),
        (PROVIDER + 'api_key_file = "/no/such/file"', "provider 'p': api_key_file: /no/such/file: No such file"),
        (PROVIDER + 'api_key_command = ["false"]', "provider 'p': api_key_command: false ended with exit code 1"),
        (PROVIDER + 'api_key_command = "op read x"', "api_key_command"),
    ],
)
def test_every_mistake_is_an_error_that_names_it_and_no_secret(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path, text, S=CANARY)
    assert named in str(raised.value)
    assert CANARY not in str(raised.value)
