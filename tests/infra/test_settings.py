"""Settings from the environment and the file: every mistake is one sentence that says where and what is right."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.settings import PREFIX, Settings, SettingsInvalid, load

BOT, APP, SECRET = "xoxb-1-secret", "xapp-1-secret", "8f742231b10e8888abcd99yyyzzz85a5"


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No playbook-bot.yaml of the machine is found."""
    monkeypatch.chdir(tmp_path)


def written(tmp_path: Path, text: str) -> Path:
    """A settings file with this text."""
    path = tmp_path / "bot.yaml"
    path.write_text(text)
    return path


def problems(environ: dict[str, str] | None = None, config: Path | None = None) -> str:
    """What `load` says."""
    with pytest.raises(SettingsInvalid) as caught:
        load(environ or {}, config)
    return str(caught.value)


def test_nothing_needs_to_be_set() -> None:
    """The defaults are a SQLite file, no Slack, and a port that only this machine sees."""
    settings = load({})

    assert settings.database_url == "sqlite:///playbook-bot.db"
    assert settings.slack_mode == "off"
    assert settings.http_host == "127.0.0.1"
    assert settings.use_library


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    """A deployment overrides one value without touching the file."""
    path = written(tmp_path, "channel: C0FILE\nhttp_port: 9000\n")
    settings = load({"PLAYBOOK_BOT_CHANNEL": "C0ENV"}, path)

    assert (settings.channel, settings.http_port) == ("C0ENV", 9000)


def test_the_file_is_found_by_name_and_by_variable(tmp_path: Path) -> None:
    """`playbook-bot.yaml` of the folder, or the one that PLAYBOOK_BOT_CONFIG names."""
    Path("playbook-bot.yaml").write_text("channel: C0HERE\n")
    other = written(tmp_path, "channel: C0OTHER\n")

    assert load({}).channel == "C0HERE"
    assert load({"PLAYBOOK_BOT_CONFIG": str(other)}).channel == "C0OTHER"


def test_a_named_file_must_exist() -> None:
    """A file that was asked for and is not there is not silently left out."""
    assert "nowhere.yaml: the settings file cannot be read" in problems({"PLAYBOOK_BOT_CONFIG": "nowhere.yaml"})


def test_lists_and_tables_in_the_environment() -> None:
    """Lists are comma separated or JSON; tables are JSON."""
    settings = load(
        {
            "PLAYBOOK_BOT_REGIONS": "us-east-1, eu-west-1",
            "PLAYBOOK_BOT_ADMINS": '["U012AB"]',
            "PLAYBOOK_BOT_PEOPLE": '[{"id": "lee", "slack": "U0LEE", "iam": ["arn:aws:iam::123456789012:user/lee"]}]',
            "PLAYBOOK_BOT_GROUPS": '{"sre": ["lee"]}',
        }
    )

    assert settings.regions == ("us-east-1", "eu-west-1")
    assert settings.admins == ("U012AB",)
    assert settings.people[0].iam == ("arn:aws:iam::123456789012:user/lee",)
    assert settings.groups == {"sre": ("lee",)}


def test_the_words_of_the_file_stay_as_written(tmp_path: Path) -> None:
    """YAML 1.1 would make `off` false, `012` ten and `no` false."""
    text = "slack_mode: off\nchannel: 012\nuse_library: no\npeople:\n  - {id: no, terminal: on}\nchannel2:\n"
    path = written(tmp_path, text.replace("channel2:\n", ""))
    settings = load({}, path)

    assert (settings.slack_mode, settings.channel, settings.use_library) == ("off", "012", False)
    assert (settings.people[0].id, settings.people[0].terminal) == ("no", "on")


def test_an_empty_value_is_as_good_as_none(tmp_path: Path) -> None:
    """Compose files hand over variables that are not set as empty ones."""
    path = written(tmp_path, "playbooks:\nregions: ~\n")

    assert load({"PLAYBOOK_BOT_CHANNEL": "", "PLAYBOOK_BOT_HTTP_PORT": " "}, path) == Settings()


def test_folders_in_the_file_are_relative_to_it(tmp_path: Path) -> None:
    """The file and its playbooks move together."""
    folder = tmp_path / "etc"
    folder.mkdir()
    path = written(folder, "playbooks: [ours, /opt/playbooks]\n")

    assert load({}, path).playbooks == (folder / "ours", Path("/opt/playbooks"))


@pytest.mark.parametrize(
    ("given", "mode"),
    [
        ({}, "off"),
        ({"SLACK_BOT_TOKEN": BOT, "SLACK_APP_TOKEN": APP}, "socket"),
        ({"SLACK_BOT_TOKEN": BOT, "SLACK_SIGNING_SECRET": SECRET}, "http"),
        ({"SLACK_BOT_TOKEN": BOT, "SLACK_APP_TOKEN": APP, "SLACK_SIGNING_SECRET": SECRET}, "socket"),
        (
            {"SLACK_BOT_TOKEN": BOT, "SLACK_APP_TOKEN": APP, "SLACK_SIGNING_SECRET": SECRET, "SLACK_MODE": "http"},
            "http",
        ),
        ({"SLACK_BOT_TOKEN": BOT, "SLACK_MODE": "off"}, "off"),
    ],
)
def test_the_mode_follows_from_the_tokens(given: dict[str, str], mode: str) -> None:
    """What is there says how Slack is reached; an explicit mode wins."""
    assert load({PREFIX + name: value for name, value in given.items()}).slack_mode == mode


KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
SEVERAL = {
    "SLACK_WORKSPACES": '["T01", "E02", "E03/T04"]',
    "SLACK_APP_ID": "A01",
    "SLACK_CLIENT_ID": "1.2",
    "SLACK_CLIENT_SECRET": "of-the-app",
    "SLACK_TOKEN_KEY": KEY,
    "SLACK_PUBLIC_URL": "https://bot.example.com",
    "SLACK_SIGNING_SECRET": SECRET,
}


@pytest.mark.parametrize(
    ("changes", "mode"),
    [
        ({}, "http"),
        ({"SLACK_APP_TOKEN": APP}, "socket"),
        ({"SLACK_TOKEN_KEY": f"{KEY}, {KEY}"}, "http"),
        ({"SLACK_PUBLIC_URL": "http://localhost:8080"}, "http"),
    ],
)
def test_several_workspaces(changes: dict[str, str], mode: str) -> None:
    """What installing takes is there, nothing of what one workspace has, and the mode follows without a bot token."""
    settings = load({PREFIX + name: value for name, value in {**SEVERAL, **changes}.items()})

    assert (settings.slack_mode, settings.slack_workspaces) == (mode, ("T01", "E02", "E03/T04"))
    assert not {KEY, "of-the-app"} & {*repr(settings).split("'")}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"SLACK_WORKSPACES": ""}, "slack_client_id is for several workspaces; add slack_workspaces, or leave it out"),
        ({"SLACK_WORKSPACES": "T01,#general"}, '"#general" should be a workspace (T…), an organisation (E…) or E…/T…'),
        ({"SLACK_WORKSPACES": "T01/E02"}, '"T01/E02" should be a workspace'),
        ({"SLACK_SIGNING_SECRET": ""}, "slack_workspaces needs slack_app_token (Socket Mode) or slack_signing_secret"),
        *(
            ({name: ""}, f"slack_workspaces needs {name.lower()}; docs/install.md says where it is found")
            for name in (
                "SLACK_APP_ID",
                "SLACK_CLIENT_ID",
                "SLACK_CLIENT_SECRET",
                "SLACK_TOKEN_KEY",
                "SLACK_PUBLIC_URL",
            )
        ),
        ({"SLACK_BOT_TOKEN": BOT}, "slack_bot_token is for one workspace; with slack_workspaces leave it out"),
        ({"SLACK_TEAM_ID": "T01"}, "slack_team_id is for one workspace; with slack_workspaces leave it out"),
        ({"SLACK_TOKEN_KEY": "too-short"}, "slack_token_key should be 32 random bytes in base64, such as openssl rand"),
        ({"SLACK_TOKEN_KEY": f"{KEY},too-short"}, "slack_token_key should be 32 random bytes in base64"),
        ({"SLACK_PUBLIC_URL": "http://bot.example.com"}, "http://bot.example.com should begin with https://"),
        ({"SLACK_PUBLIC_URL": "bot.example.com"}, "slack_public_url bot.example.com should begin with https://"),
    ],
)
def test_several_workspaces_that_cannot_be_meant(changes: dict[str, str], sentence: str) -> None:
    """Each thing that is missing, malformed, or of one workspace alone, in a sentence without a secret."""
    told = problems({PREFIX + name: value for name, value in {**SEVERAL, **changes}.items()})

    assert sentence in told
    assert KEY not in told


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"SLACK_BOT_TOKEN": BOT}, "slack_bot_token alone cannot receive anything"),
        ({"SLACK_BOT_TOKEN": BOT, "SLACK_MODE": "http"}, "without it anybody could pretend to be Slack"),
        ({"SLACK_BOT_TOKEN": BOT, "SLACK_MODE": "socket"}, "needs slack_app_token"),
        ({"SLACK_MODE": "socket", "SLACK_APP_TOKEN": APP}, "BOT_SLACK_MODE: slack_mode socket needs slack_bot_token"),
        ({"SLACK_BOT_TOKEN": "xoxp-1", "SLACK_MODE": "off"}, "begins with xoxb-"),
        ({"SLACK_APP_TOKEN": "xoxb-1"}, "begins with xapp-"),
        ({"SLACK_API_URL": "http://slack.example/api/"}, "would send tokens in the clear"),
        ({"SLACK_TEAM_ID": "acme"}, "PLAYBOOK_BOT_SLACK_TEAM_ID: slack_team_id should be the workspace's id (T…)"),
        ({"HTTP_PORT": "70000"}, "PLAYBOOK_BOT_HTTP_PORT: http_port should be less than or equal to 65535"),
        ({"HTTP_PORT": "web"}, "PLAYBOOK_BOT_HTTP_PORT: http_port should be a valid integer"),
        ({"DATABASE_URL": "mysql://x"}, "database_url should be sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"),
        ({"SNS_TOPICS": "arn:aws:sns:us-east-1:123456789012:*"}, ':123456789012:*" is not the ARN'),
        ({"SQS_QUEUE_URLS": "queue"}, '"queue" is not a URL'),
        ({"AUDIT_KEY": "short"}, "at least 16 random characters"),
        ({"PEOPLE": "[oops"}, "PLAYBOOK_BOT_PEOPLE: this is not JSON"),
        ({"PEOPLE": '[{"slack": "U1"}]'}, "PLAYBOOK_BOT_PEOPLE: people.0.id is missing"),
        ({"PEOPLE": '[{"id": "a", "slack": "U1"}, {"id": "b", "slack": "U1"}]'}, "slack U1 belongs to 2 people"),
        (
            {"PEOPLE": '[{"id": "a", "absent": [{"since": "2026-12-02T00:00:00Z", "until": "2026-12-01T00:00:00Z"}]}]'},
            "until must be after since",
        ),
        (
            {"PEOPLE": '[{"id": "a", "absent": [{"since": "2026-12-01T00:00:00Z", "until": "2026-12-02T00:00:00Z", '
             '"instead": "a"}]}]'},
            'people: a is away, and "a" is nobody else of people',
        ),
        ({"BREAKGLASS_REPORT": '{"day": "payday"}'}, "breakglass_report.day"),
        ({"GROUPS": '{"sre": ["nobody"]}'}, 'groups.sre: "nobody" is nobody; add it to people'),
        ({"ADMINS": "nobody"}, 'admins: "nobody" is nobody'),
        ({"ASSUME_ROLE": "OrganizationAccountAccessRole"}, "assume_role should be the ARN of an IAM role"),
        ({"SLACK_BOT_TOKN": BOT}, "BOT_TOKN: there is no such setting; did you mean PLAYBOOK_BOT_SLACK_BOT_TOKEN?"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(given: dict[str, str], sentence: str) -> None:
    """Where it stands, what is wrong, and what would be right."""
    assert sentence in problems({PREFIX + name: value for name, value in given.items()})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("channel: C1\nslak_bot_token: x\n", "bot.yaml:2:1 there is no setting slak_bot_token; did you mean slack"),
        ("people:\n  - id: lee\n    slck: U1\n", "bot.yaml:3:5 there is no setting people.0.slck; did you mean slack?"),
        ("people:\n  - slack: U1\n", "bot.yaml:2:5 people.0.id is missing"),
        ("people:\n  - id: lee\n    slack: lee\n", "bot.yaml:3:5 people.0.slack should be a Slack user's id"),
        ("channel: a\nchannel: b\n", 'bot.yaml:2:1 "channel" stands here a second time'),
        ("channel: [\n", "bot.yaml:2:1 this is not YAML"),
        ("- a\n- b\n", "bot.yaml:1:1 the file must hold settings"),
        ("regions: &a [*a]\n", "nested too deeply"),
        ("regions: {a: b}\n", "bot.yaml:1:1 regions should be a valid tuple"),
        ("slack_mode: http\n", "bot.yaml:1:1 slack_mode http needs slack_bot_token"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_file_has_its_line(tmp_path: Path, text: str, sentence: str) -> None:
    """`file:line:column` leads there."""
    assert sentence in problems(config=written(tmp_path, text))


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    """Nobody has to start the bot five times to find five mistakes."""
    found = problems({"PLAYBOOK_BOT_HTTP_PORT": "x", "PLAYBOOK_BOT_SLACK_TEM_ID": "T1"}, written(tmp_path, "slck: 1\n"))

    assert len(found.splitlines()) == 3


def test_variables_that_kubernetes_makes_are_left_alone() -> None:
    """A service named playbook-bot brings variables with our prefix into every pod."""
    load({"PLAYBOOK_BOT_SERVICE_HOST": "10.0.0.7", "PLAYBOOK_BOT_PORT_8080_TCP": "tcp://10.0.0.7:8080"})


def test_the_region_and_endpoint_of_other_aws_tools_are_taken() -> None:
    """What the aws CLI understands needs not be said twice; our own variable wins."""
    environ = {"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:5000"}

    assert load(environ).aws_region == "eu-west-1"
    assert load(environ).aws_endpoint_url == "http://127.0.0.1:5000"
    assert load({**environ, "PLAYBOOK_BOT_AWS_REGION": "us-east-2"}).aws_region == "us-east-2"


def test_the_usual_spellings_of_postgresql() -> None:
    """Hosts hand out postgres:// and postgresql://; both mean the driver that is installed."""
    for scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        url = load({"PLAYBOOK_BOT_DATABASE_URL": f"{scheme}://bot:s3cret@db/bot"}).database_url

        assert url == "postgresql+psycopg://bot:s3cret@db/bot"


def test_secrets_never_show() -> None:
    """Neither in a repr nor in an error; and they can be listed for masking."""
    environ = {
        "PLAYBOOK_BOT_SLACK_BOT_TOKEN": BOT,
        "PLAYBOOK_BOT_SLACK_APP_TOKEN": APP,
        "PLAYBOOK_BOT_SLACK_SIGNING_SECRET": SECRET,
        "PLAYBOOK_BOT_AUDIT_KEY": "0123456789abcdef",
        "PLAYBOOK_BOT_DATABASE_URL": "postgresql://bot:p%40ss@db/bot",
    }
    settings = load(environ)
    complaint = problems({**environ, "PLAYBOOK_BOT_HTTP_PORT": "x"})

    assert settings.secrets == {BOT, APP, SECRET, "0123456789abcdef", "p@ss"}
    for secret in (*settings.secrets, "p%40ss"):
        assert secret not in repr(settings)
        assert secret not in complaint


@given(st.text(max_size=200))
def test_any_file_is_read_or_refused_in_words(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Whatever stands in the file, there is an answer and no traceback."""
    path = tmp_path_factory.mktemp("any") / "bot.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with suppress(SettingsInvalid):
        load({}, path)
