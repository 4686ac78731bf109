"""Settings: read once from the environment and `.env`, all mistakes reported together."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AnyUrl, Field, SecretStr, UrlConstraints, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

HttpUrl = Annotated[AnyUrl, UrlConstraints(allowed_schemes=["http", "https"])]
WebSocketUrl = Annotated[AnyUrl, UrlConstraints(allowed_schemes=["ws", "wss"])]


class BadSettings(Exception):
    """Some settings make no sense; the text names each one, and no secret."""


class Settings(BaseSettings):
    """What an operator can choose. Each field is the environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        allow_inf_nan=False,
    )

    discord_token: SecretStr | None = Field(None, description="The bot's token. Without it the playground starts.")
    discord_api_base: HttpUrl | None = Field(
        None, description="Another server that speaks Discord's API, such as http://127.0.0.1:8400/api/v10."
    )
    discord_gateway_url: WebSocketUrl | None = Field(
        None, description="That server's gateway, such as ws://127.0.0.1:8400/gw."
    )
    data_dir: Path = Field(Path("data"), description="Folder for the database and the pictures; made if it is missing.")
    database_url: str | None = Field(
        None, description="SQLAlchemy URL with an async driver; by default SQLite, bot.db in DATA_DIR."
    )
    model: str = Field("builtin", description='"builtin", a hub id, a diffusers folder or a .safetensors file.')
    model_config_dir: Path | None = Field(
        None,
        alias="MODEL_CONFIG",
        description="For a .safetensors file: a folder with its configs and tokenizer; else the hub's cache is used.",
    )
    models: str = Field(
        "", description="Further models, as MODEL, with commas between; loaded when they are asked for."
    )
    model_memory: float | None = Field(
        None,
        gt=0,
        le=1e6,
        description="GiB for the weights of all loaded models together; by default 60 % of what is free.",
    )
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto, cpu, cuda, cuda:1 or mps.")
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = Field(
        "auto", description="Number format of the model: auto, float32, float16 or bfloat16."
    )
    reproducible: bool = Field(
        False, description="1: a picture is bit-equal alone and in a crowd; slower when few are drawn."
    )
    graphs: Literal["auto", "on", "off"] = Field(
        "auto", description="Compiled graphs for sizes that are drawn often: auto (on CUDA), on or off."
    )
    rest_after_minutes: float = Field(
        0, ge=0, description="A model idle for so long leaves the GPU until it is asked for again; 0: never."
    )
    drain_seconds: float = Field(30, ge=0, le=3600, description="When told to stop: seconds for what is being drawn.")
    ping_after_seconds: float = Field(
        120, ge=0, le=366 * 86400, description="Ping whoever waited longer than this for a picture; 0: never."
    )
    retention_days: float | None = Field(
        None, gt=0, le=36500, description="Remove pictures older than this; default: never."
    )
    retention_gb: float | None = Field(
        None,
        gt=0,
        le=1e9,
        description="Remove the oldest pictures when all of them take more than this; default: never.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="DEBUG, INFO, WARNING or ERROR."
    )

    @field_validator("log_level", "dtype", "graphs", mode="before")
    @classmethod
    def _any_case(cls, value: object, info: object) -> object:
        if not isinstance(value, str):
            return value
        return value.strip().upper() if getattr(info, "field_name", "") == "log_level" else value.strip().lower()

    @field_validator("discord_token")
    @classmethod
    def _not_blank(cls, value: SecretStr | None) -> SecretStr | None:
        return value if value is not None and value.get_secret_value().strip() else None

    @field_validator("model_config_dir")
    @classmethod
    def _a_folder(cls, value: Path | None) -> Path | None:
        if value is not None and not value.expanduser().is_dir():
            raise ValueError("is no folder")
        return value

    @field_validator("database_url")
    @classmethod
    def _async_driver(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("sqlite+aiosqlite://", "postgresql+")):
            raise ValueError("must start with sqlite+aiosqlite:// or postgresql+asyncpg://")
        return value

    @property
    def further_models(self) -> tuple[str, ...]:
        """MODELS, each once, and without MODEL."""
        named = (source.strip() for source in self.models.split(","))
        return tuple(dict.fromkeys(source for source in named if source and source != self.model))

    @property
    def database(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite+aiosqlite:///{(self.data_dir.expanduser() / 'bot.db').resolve()}"


def variable_of(field: str) -> str:
    """The environment variable of a field."""
    return Settings.model_fields[field].alias or field.upper()


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


def _without_password(given: object) -> object:
    """A URL without the part that names a user and their password."""
    return re.sub(r"^([\w+.-]+:/*)?.*@", r"\1***@", given) if isinstance(given, str) else given
