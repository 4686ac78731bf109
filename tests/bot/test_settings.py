"""Settings: from the environment and `.env`, mistakes all at once and in words, secrets never."""

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.services.policies import Policy
from bot.settings import BadSettings, Settings, read_settings, unknown_names

ROOT = Path(__file__).parent.parent.parent


def variable_of(field: str) -> str:
    """The environment variable of a field."""
    return Settings.model_fields[field].alias or field.upper()


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variables of ours, and no `.env` beside us."""
    for field in Settings.model_fields:
        monkeypatch.delenv(variable_of(field), raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_defaults_need_no_file_and_no_environment() -> None:
    settings = read_settings()
    assert settings.discord_token is None
    assert (settings.model, settings.device, settings.dtype, settings.log_level) == ("builtin", "auto", "auto", "INFO")
    assert settings.database == f"sqlite:///{Path('data/bot.db').resolve()}"


def test_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("MODEL=from-file/model\nDEVICE=cpu\nDISCORD_TOKEN=\nSOMETHING_ELSE=1\n")
    monkeypatch.setenv("MODEL", "from-environment/model")
    settings = read_settings()
    assert (settings.model, settings.device) == ("from-environment/model", "cpu")
    assert settings.discord_token is None, "an empty token is none"


@pytest.mark.parametrize(
    ("written", "devices"),
    [
        ("", ("auto",)),
        ("cuda:1", ("cuda:1",)),
        ("cuda:0, cuda:1", ("cuda:0", "cuda:1")),
        ("cpu,cpu", ("cpu", "cpu")),
    ],
)
def test_devices_are_named_with_commas_between(
    monkeypatch: pytest.MonkeyPatch, written: str, devices: tuple[str, ...]
) -> None:
    monkeypatch.setenv("DEVICES", written)
    assert read_settings().all_devices == devices


@pytest.mark.parametrize("written", ["toaster", "cpu,", "auto", "cuda:0,cuda:0", "cuda,cuda:0", "cuda:0 cuda:1"])
def test_devices_that_make_no_sense_are_a_mistake(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("DEVICES", written)
    with pytest.raises(BadSettings, match="DEVICES"):
        read_settings()


def test_several_devices_and_a_single_one_are_a_contradiction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVICES", "cpu,cpu")
    monkeypatch.setenv("DEVICE", "cpu")
    with pytest.raises(BadSettings, match="DEVICES: goes together with DEVICE=auto only"):
        read_settings()
    monkeypatch.setenv("DEVICE", "auto")
    assert read_settings().all_devices == ("cpu", "cpu")


def test_a_ray_cluster_is_named_by_host_and_port_and_needs_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.settings.importlib.util.find_spec", lambda name: object())
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert read_settings().all_devices == ()
    assert not read_settings().has_one_device
    monkeypatch.setenv("DEVICES", "cuda:0")
    assert read_settings().all_devices == ("cuda:0",)
    assert not read_settings().has_one_device
    monkeypatch.setattr("bot.settings.importlib.util.find_spec", lambda name: None)
    with pytest.raises(BadSettings, match=r"RAY_ADDRESS: needs Ray"):
        read_settings()


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("auto", "is host:port of a"),
        ("10.0.0.1", "is host:port of a"),
        (":6379", "is host:port of a"),
        ("10.0.0.1:", "is host:port of a"),
        ("10.0.0.1:gcs", "is host:port of a"),
        ("10.0.0.1:١", "is host:port of a"),
        ("10.0.0.1 10.0.0.2:6379", "is host:port of a"),
        ("ray://10.0.0.1:10001", "Ray's client"),
        ("http://10.0.0.1:6379", "Ray's client"),
        ("10.0.0.1:0", "0 is no port"),
        ("10.0.0.1:99999", "99999 is no port"),
    ],
)
def test_what_no_ray_cluster_can_be_at_is_a_mistake(monkeypatch: pytest.MonkeyPatch, written: str, why: str) -> None:
    monkeypatch.setattr("bot.settings.importlib.util.find_spec", lambda name: object())
    monkeypatch.setenv("RAY_ADDRESS", written)
    with pytest.raises(BadSettings, match=f"RAY_ADDRESS: .*{why}"):
        read_settings()


@pytest.mark.parametrize("written", ["10.0.0.1:6379", " head.example:6379 ", "[fd00::1]:6379", "h:65535"])
def test_a_ray_cluster_may_be_named_by_any_host(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setattr("bot.settings.importlib.util.find_spec", lambda name: object())
    monkeypatch.setenv("RAY_ADDRESS", written)
    assert read_settings().ray_address == written.strip()


def test_variables_of_ray_in_the_file_reach_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """They belong in the environment: what Ray reads is not handed on from `.env`."""
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    Path(".env").write_text("RAY_AUTH_MODE=token\n")
    read_settings()
    assert "RAY_AUTH_MODE" not in os.environ


@pytest.mark.parametrize(
    ("written", "on"), [(None, False), ("auto", False), ("off", False), ("on", True), ("ON", True)]
)
def test_graphs_are_on_only_where_somebody_wants_them(
    monkeypatch: pytest.MonkeyPatch, written: str | None, on: bool
) -> None:
    if written is not None:
        monkeypatch.setenv("GRAPHS", written)
    assert read_settings().has_graphs is on


def test_pictures_are_checked_and_held_unless_somebody_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (read_settings().safety, read_settings().direct_policy) == ("on", Policy.WITHHOLD)
    monkeypatch.setenv("SAFETY", "Off")
    monkeypatch.setenv("SAFETY_DM", "Spoiler")
    assert (read_settings().safety, read_settings().direct_policy) == ("off", Policy.SPOILER)


def test_all_mistakes_are_reported_together(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {
        "DEVICE": "toaster",
        "DTYPE": "int8",
        "SAFETY": "maybe",
        "SAFETY_DM": "review",
        "LOG_LEVEL": "LOUD",
        "DISCORD_API_BASE": "ftp://x",
        "DISCORD_GATEWAY_URL": "http://x",
        "MODEL_CONFIG": "/no/such/folder",
        "DATABASE_URL": "mysql:///x.db",
    }
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadSettings) as error:
        read_settings()
    for name, value in wrong.items():
        assert re.search(rf"^  {name}: .*{re.escape(value)}", str(error.value), re.MULTILINE), name
    assert "pydantic" not in str(error.value).lower()


def test_the_token_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "s3cr3t")
    monkeypatch.setenv("DTYPE", "int8")
    with pytest.raises(BadSettings) as error:
        read_settings()
    assert "s3cr3t" not in str(error.value)
    monkeypatch.delenv("DTYPE")
    settings = read_settings()
    assert "s3cr3t" not in repr(settings) + str(settings)
    assert settings.discord_token is not None
    assert settings.discord_token.get_secret_value() == "s3cr3t"


def test_another_api_and_gateway_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_API_BASE", "http://127.0.0.1:8400/api/v10")
    monkeypatch.setenv("DISCORD_GATEWAY_URL", "ws://127.0.0.1:8400/gw")
    settings = read_settings()
    assert str(settings.discord_api_base) == "http://127.0.0.1:8400/api/v10"
    assert str(settings.discord_gateway_url) == "ws://127.0.0.1:8400/gw"


def test_the_example_lists_every_setting_with_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    example = (ROOT / ".env.example").read_text("utf-8")
    listed = re.findall(r"^(?:# )?([A-Z_]+)=", example, re.MULTILINE)
    assert sorted(listed) == sorted(variable_of(field) for field in Settings.model_fields)
    Path(".env").write_text(example)
    assert read_settings() == Settings(_env_file=None)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("models", "further"), [("", ()), ("a/b", ("a/b",)), (" a/b , folder,,a/b , builtin", ("a/b", "folder"))]
)
def test_further_models_are_named_once(monkeypatch: pytest.MonkeyPatch, models: str, further: tuple[str, ...]) -> None:
    monkeypatch.setenv("MODELS", models)
    assert read_settings().further_models == further


def test_folders_of_loras_are_named_once_and_have_to_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LORAS", f" {tmp_path},,{tmp_path} ")
    assert read_settings().lora_folders == (str(tmp_path),)
    monkeypatch.setenv("LORAS", f"{tmp_path},{tmp_path}/nowhere")
    with pytest.raises(BadSettings, match="nowhere' is no folder"):
        read_settings()


@pytest.mark.parametrize("memory", ["0", "-1", "much"])
def test_memory_for_models_is_some(monkeypatch: pytest.MonkeyPatch, memory: str) -> None:
    monkeypatch.setenv("MODEL_MEMORY", memory)
    with pytest.raises(BadSettings, match="MODEL_MEMORY"):
        read_settings()


@pytest.mark.parametrize("name", ["RETENTION_DAYS", "RETENTION_GB", "PING_AFTER_SECONDS", "MODEL_MEMORY"])
@pytest.mark.parametrize("value", ["inf", "nan", "1e15"])
def test_a_bound_that_no_clock_and_no_disk_knows_is_a_mistake(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSettings, match=name):
        read_settings()


def test_the_longest_bounds_can_be_counted_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETENTION_DAYS", "36500")
    days = read_settings().retention_days
    assert days is not None
    assert datetime.now(UTC) - timedelta(days=days) < datetime.now(UTC)


@pytest.mark.parametrize(
    "url", ["postgres://bot:pass/w@rd@db/x", "postgres:bot:pass/w@rd@db/x", "mysql+aiomysql://bot:pass/w@rd@db/x"]
)
def test_a_mistyped_database_url_keeps_its_password(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(BadSettings) as error:
        read_settings()
    assert "***@db/x" in str(error.value)
    assert "pass/w" not in str(error.value)


def test_a_mistyped_name_in_the_file_is_named_with_the_nearest_right_one() -> None:
    Path(".env").write_text("DISCORD_TOKEM=x\nRETENTION_DAY=3\nmodels=a/b\nHOME=/root\nNPM_TOKEN=y\nMODEL=builtin\n")
    assert unknown_names() == [("DISCORD_TOKEM", "DISCORD_TOKEN"), ("RETENTION_DAY", "RETENTION_DAYS")]


def test_without_a_file_no_name_is_mistyped() -> None:
    assert unknown_names() == []


def test_a_file_in_another_encoding_is_named_and_no_traceback() -> None:
    Path(".env").write_bytes("MODEL=builtin\n# f\u00fcr alle\n".encode("latin-1"))
    with pytest.raises(BadSettings, match="UTF-8"):
        read_settings()


def test_a_token_with_a_line_end_inside_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "s3cr3t\nMODEL=builtin")
    with pytest.raises(BadSettings, match="DISCORD_TOKEN: must be one word") as error:
        read_settings()
    assert "s3cr3t" not in str(error.value)


def test_the_lists_of_a_folder_are_read_and_what_is_wrong_with_them_is_said(tmp_path: Path) -> None:
    lists = tmp_path / "lists"
    (lists / "birds").mkdir(parents=True)
    (lists / "animal.txt").write_text("# some\ncat\n\n dog \n", "utf-8")
    (lists / "birds" / "small.txt").write_text("\ufeffwren", "utf-8")
    found = read_settings(wildcards=lists).lists
    assert (found.lines("Animal"), found.lines("birds/small"), found.lines("none")) == (("cat", "dog"), ("wren",), ())
    assert read_settings().lists.lines("animal") == ()
    (lists / "broken.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadSettings, match=r"WILDCARDS: broken.txt is not UTF-8"):
        read_settings(wildcards=lists)
    with pytest.raises(BadSettings, match="WILDCARDS"):
        read_settings(wildcards=tmp_path / "nowhere")
