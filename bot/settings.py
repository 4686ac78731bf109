"""Settings: read once from the environment and `.env`, all mistakes reported together."""

import importlib.util
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from dotenv import dotenv_values
from pydantic import AnyUrl, Field, SecretStr, UrlConstraints, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.records import LimitValues
from bot.services.limits import parse_limits
from bot.services.policies import Policy
from bot.storage.addresses import current_url, sqlite_url
from generation.alternatives import NO_WILDCARDS, Wildcards
from generation.errors import InvalidRequest
from generation.loras import COLUMNS
from generation.operator_words import operator_words

IMAGES = "images"  #: the pictures' folder under DATA_DIR
INPUTS = "inputs"  #: the folder of those that jobs begin with

HttpUrl = Annotated[AnyUrl, UrlConstraints(allowed_schemes=["http", "https"])]
WebSocketUrl = Annotated[AnyUrl, UrlConstraints(allowed_schemes=["ws", "wss"])]


class BadSettings(Exception):
    """Some settings make no sense; the text names each one, and no secret."""


class Settings(BaseSettings):
    """What an operator can choose. Each field is the environment variable of the same name in capitals; `.env.example`
    says what each one means."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        allow_inf_nan=False,
    )

    discord_token: SecretStr | None = None
    discord_api_base: HttpUrl | None = None
    discord_gateway_url: WebSocketUrl | None = None
    data_dir: Path = Path("data")
    database_url: str | None = None
    model: str = "builtin"
    model_config_dir: Path | None = Field(None, alias="MODEL_CONFIG")
    models: str = ""
    loras: str = ""
    lora_columns: int = Field(COLUMNS, ge=1, le=4096)
    model_memory: float | None = Field(None, gt=0, le=1e6)  #: GiB
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    devices: str = Field("", pattern=r"^\s*((cpu|mps|cuda(:\d+)?)\s*(,\s*(cpu|mps|cuda(:\d+)?)\s*)*)?$")
    ray_address: str = ""
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    reproducible: bool = False
    graphs: Literal["off", "on", "auto"] = "off"  #: "auto" stands in older files, and means off
    rest_after_minutes: float = Field(0, ge=0)
    drain_seconds: float = Field(30, ge=0, le=3600)
    ping_after_seconds: float = Field(120, ge=0, le=366 * 86400)
    retention_days: float | None = Field(None, gt=0, le=36500)
    retention_gb: float | None = Field(None, gt=0, le=1e9)
    wildcards: Path | None = None
    limits: str = ""
    direct_messages: bool = True
    safety: Literal["on", "off", "demonstration"] = "on"
    safety_dm: Literal["off", "spoiler", "withhold"] = "withhold"
    standby: bool = False
    metrics_port: int | None = Field(None, ge=1, le=65535)
    metrics_host: str = Field("127.0.0.1", pattern=r"^\S+$")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("log_level", "dtype", "graphs", "safety", "safety_dm", mode="before")
    @classmethod
    def _any_case(cls, value: object, info: object) -> object:
        if not isinstance(value, str):
            return value
        return value.strip().upper() if getattr(info, "field_name", "") == "log_level" else value.strip().lower()

    @field_validator("discord_token")
    @classmethod
    def _not_blank(cls, value: SecretStr | None) -> SecretStr | None:
        token = value.get_secret_value().strip() if value is not None else ""
        if not token.isprintable() or " " in token:
            raise ValueError("must be one word: a line end or a blank stands inside")
        return value if token else None

    @field_validator("limits")
    @classmethod
    def _known_limits(cls, value: str) -> str:
        try:
            parse_limits(value)
        except InvalidRequest as error:
            raise ValueError(operator_words(error)) from None
        return value

    @field_validator("loras")
    @classmethod
    def _folders(cls, value: str) -> str:
        for folder in _listed(value):
            if not Path(folder).expanduser().is_dir():
                raise ValueError(f"{folder!r} is no folder")
        return value

    @field_validator("devices")
    @classmethod
    def _each_once(cls, value: str, info: ValidationInfo) -> str:
        named = [re.sub(r"^cuda$", "cuda:0", device) for device in _listed(value)]
        if any(named.count(device) > 1 for device in named if device != "cpu"):
            raise ValueError("names a device twice")
        if named and info.data.get("device", "auto") != "auto":
            raise ValueError("goes together with DEVICE=auto only, which it takes the place of")
        return value

    @field_validator("ray_address")
    @classmethod
    def _a_cluster(cls, value: str, info: ValidationInfo) -> str:
        value = value.strip()
        if "://" in value:
            raise ValueError("is host:port of the cluster's head, such as 10.0.0.1:6379; ray:// is for Ray's client")
        host, _, port = value.rpartition(":")
        if value and not (re.fullmatch(r"\S+", host) and re.fullmatch(r"[0-9]{1,5}", port)):
            raise ValueError("is host:port of a cluster's head, such as 10.0.0.1:6379")
        if value and not 1 <= int(port) <= 65535:
            raise ValueError(
                f"{port} is no port: write one from 1 to 65535, which is 6379 unless ray start was told otherwise"
            )
        if value and importlib.util.find_spec("ray") is None:
            raise ValueError("needs Ray: pip install 'imagine-bot[ray]'")
        if value and info.data.get("device", "auto") != "auto":
            raise ValueError("goes together with DEVICE=auto only: DEVICES names those of this machine")
        return value

    @field_validator("model_config_dir")
    @classmethod
    def _a_folder(cls, value: Path | None) -> Path | None:
        if value is not None and not value.expanduser().is_dir():
            raise ValueError("is no folder")
        return value

    @field_validator("wildcards")
    @classmethod
    def _lists(cls, value: Path | None) -> Path | None:
        try:
            if value is not None:
                Wildcards.load(value.expanduser())
        except OSError as error:
            raise ValueError(f"cannot be read: {error}") from None
        return value

    @field_validator("database_url")
    @classmethod
    def _known_driver(cls, value: str | None) -> str | None:
        if value is not None:
            current_url(value)
        return value

    @property
    def further_models(self) -> tuple[str, ...]:
        """MODELS, each once, and without MODEL."""
        return tuple(dict.fromkeys(source for source in _listed(self.models) if source != self.model))

    @property
    def all_devices(self) -> tuple[str, ...]:
        """DEVICES, or DEVICE alone; nothing where there is only a cluster."""
        return tuple(_listed(self.devices)) or (() if self.ray_address else (self.device,))

    @property
    def has_one_device(self) -> bool:
        """Whether there is one device and no more, which works in the bot's process."""
        return len(self.all_devices) == 1 and not self.ray_address

    @property
    def lora_folders(self) -> tuple[str, ...]:
        """LORAS, each once."""
        return tuple(dict.fromkeys(_listed(self.loras)))

    @property
    def folder(self) -> Path:
        """DATA_DIR."""
        return self.data_dir.expanduser()

    @property
    def database(self) -> str:
        """The database's URL, with the driver that is used today."""
        return current_url(self.database_url) if self.database_url else sqlite_url(self.folder / "bot.db")

    @property
    def token(self) -> str | None:
        """DISCORD_TOKEN as it is sent to Discord: not to be logged."""
        return self.discord_token.get_secret_value().strip() if self.discord_token else None

    @property
    def ceiling(self) -> LimitValues:
        """LIMITS by name."""
        return parse_limits(self.limits)

    @property
    def lists(self) -> Wildcards:
        """What is in the folder WILDCARDS."""
        return NO_WILDCARDS if self.wildcards is None else Wildcards.load(self.wildcards.expanduser())

    @property
    def direct_policy(self) -> Policy:
        """SAFETY_DM."""
        return Policy(self.safety_dm)

    @property
    def has_graphs(self) -> bool:
        """Whether GRAPHS is on."""
        return self.graphs == "on"

    @property
    def config(self) -> str | None:
        """MODEL_CONFIG."""
        return str(self.model_config_dir) if self.model_config_dir else None

    @property
    def api_base(self) -> str | None:
        """DISCORD_API_BASE."""
        return str(self.discord_api_base) if self.discord_api_base else None

    @property
    def gateway_url(self) -> str | None:
        """DISCORD_GATEWAY_URL."""
        return str(self.discord_gateway_url) if self.discord_gateway_url else None


def _listed(text: str) -> list[str]:
    return [one for part in text.split(",") if (one := part.strip())]


def unknown_names(file: Path = Path(".env")) -> list[tuple[str, str]]:
    """The names in `.env` that are no settings but look like one, with the one they look like.

    Other programs' variables may stand there as well, so that none of them is a mistake for certain.
    """
    known = [field.alias or name.upper() for name, field in Settings.model_fields.items()]
    if not file.is_file():
        return []
    named = [name for name in dotenv_values(file, interpolate=False) if name.upper() not in known]
    return [(name, near[0]) for name in named if (near := get_close_matches(name.upper(), known, 1, 0.75))]


def read_settings(**overrides: object) -> Settings:
    """The settings of this process. Raises BadSettings, which names every mistake at once."""
    try:
        return Settings(**overrides)  # pyright: ignore[reportArgumentType]
    except ValidationError as error:
        lines = ["The settings cannot be used:"]
        for mistake in error.errors():
            name = str(mistake["loc"][0]) if mistake["loc"] else "?"
            variable = name if name.isupper() else name.upper()
            given = "" if variable == "DISCORD_TOKEN" else f" (given: {_without_password(mistake['input'])!r})"
            lines.append(f"  {variable}: {mistake['msg'].removeprefix('Value error, ')}{given}")
        raise BadSettings("\n".join(lines)) from None
    except UnicodeDecodeError:
        raise BadSettings("The file .env is not UTF-8: save it in that encoding.") from None
    except OSError as error:
        raise BadSettings(f"The file .env cannot be read: {error}") from None


def _without_password(given: object) -> object:
    """A URL without the part that names a user and their password."""
    return re.sub(r"^([\w+.-]+:/*)?.*@", r"\1***@", given) if isinstance(given, str) else given
