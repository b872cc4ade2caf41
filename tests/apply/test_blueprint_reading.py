"""What a file may say: every fault names the file, the place in the document and the line; attacks of YAML are refused."""

from __future__ import annotations

import pytest
from blueprint_factories import read

from tollkeeper.control.blueprint.reading import read_blueprint
from tollkeeper.control.blueprint.yaml_tree import FILE_BYTES_MAX
from tollkeeper.domain.errors import InvalidRequest

TEAMS = """\
teams:
- name: ml
- name: search
  projects:
  - name: web
    budget: {monthly_usd: 10}
"""


def fault_of(text: str | bytes) -> str:
    with pytest.raises(InvalidRequest) as caught:
        read_blueprint(text.encode() if isinstance(text, str) else text, name="org.yaml")
    return caught.value.message


def test_a_fault_says_where_it_is() -> None:
    message = fault_of(TEAMS.replace("10", "ten"))
    assert message == (
        "org.yaml: teams[1].projects[0].budget.monthly_usd: 'ten' is not an amount in dollars, such as 12.50 (line 6)"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("teamz: []", ("no field 'teamz'", "Did you mean 'teams'?", "line 1")),
        (TEAMS.replace("monthly_usd", "montly_usd"), ("budget", "Did you mean 'monthly_usd'?", "line 6")),
        ("teams:\n- {}\n", ("teams[0]", "'name' is missing", "line 2")),
        ("teams: ml\n", ("teams", "a list is expected", "line 1")),
        ("teams:\n- ml\n", ("teams[0]", "fields are expected")),
        ("teams:\n- name: ml\n- name: ml\n", ("teams[1]", "'ml' is there twice", "line 3", "line 2")),
        (TEAMS + "projects:\n- name: web\n", ("projects[0]", "'web' is there twice")),
        ("roles:\n- name: r\n  permissions: [chat:creat]\n", ("permissions[0]", "Did you mean 'chat:create'?")),
        ("members:\n- email: nobody\n", ("members[0].email", "e-mail")),
        ("organization: {timezone: Mars/Olympus}\n", ("organization.timezone", "Mars/Olympus")),
        ("organization: {language: kr}\n", ("organization.language", "en, ko")),
        ("organization: {name: }\n", ("organization.name", "a value is expected")),
        ("organization: {budget: {monthly_usd: -1}}", ("monthly_usd", "from 0")),
        ("organization: {budget: {monthly_usd: 0.0000000001}}", ("monthly_usd", "finer")),
        ("organization: {budget: {monthly_usd: 1e3}}", ("monthly_usd", "1e3")),
        ("organization: {budget: {monthly_usd: .inf}}", ("monthly_usd", "inf")),
        ("organization: {budget: {monthly_usd: 1, carryover: yes}}", ("carryover", "true nor false")),
        ("organization: {budget: [{monthly_usd: 1}, {monthly_usd: 2}]}", ("organization.budget", "2 monthly")),
        ("projects: [{name: a, quota_alerts: [{threshold: 75, action: email}]}]", ("threshold", "0.75")),
        ("projects: [{name: a, quota_alerts: [{threshold: 0.75, action: fax}]}]", ("action", "email, slack")),
        ("projects: [{name: a, keys: [{name: k, allowed_ips: [10.0.0.300]}]}]", ("allowed_ips[0]", "10.0.0.300")),
        ("projects: [{name: a, keys: [{name: k, expires_at: soon}]}]", ("expires_at", "2027-01-31T09:00:00Z")),
        ("projects: [{name: a, keys: [{name: k, rate_limit: {requests_per_minute: 0}}]}]", ("requests_per_minute",)),
        ("version: 2\n", ("version", "1")),
    ],
)
def test_what_is_not_understood_is_refused_with_its_place(text: str, words: tuple[str, ...]) -> None:
    message = fault_of(text)
    assert message.startswith("org.yaml: ")
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &a [x]\nb: [*a, *a]\n", "anchors"),
        ("teams: !!python/object/apply:os.system ['true']\n", "tag"),
        ("teams: []\nteams: []\n", "'teams' is there twice, first in line 1 (line 2)"),
        ("teams: []\n---\nteams: []\n", "second document"),
        ("? [a]\n: b\n", "must be a text"),
        ("teams: [\n", "not YAML"),
        ("", "empty"),
        ("[" * 1000 + "]" * 1000, "nested deeper"),
        (b"\xff\xfe", "UTF-8"),
        (b"teams: \x00", "not YAML"),
        (b"#" * (FILE_BYTES_MAX + 1), "larger than 5 MB"),
    ],
)
def test_what_yaml_could_do_besides_is_refused(text: str | bytes, words: str) -> None:
    assert words in fault_of(text)


def test_amounts_are_exact_as_numbers_and_as_texts() -> None:
    for text in ("0.1", "'0.1'", "0.100000000"):
        budget = read(f"organization: {{budget: {{monthly_usd: {text}}}}}").document.organization.budget
        assert budget[0].monthly_nanos == 100_000_000


def test_words_that_yaml_takes_for_something_else_stay_names() -> None:
    names = ["on", "no", "1.5", "2027-01-31", "0x1F"]
    document = read("teams:\n" + "".join(f"- name: {each}\n" for each in names)).document
    assert [each.name for each in document.teams] == names
