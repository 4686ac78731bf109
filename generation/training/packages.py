"""The openly licensed artwork, as pinned npm packages: what they are, and how they come to this machine.

The packages are repackagings; the licence that counts is the one of the upstream project, quoted in the model's
NOTICE. npm itself fetches them, so the registry is whichever this machine's npm is configured for, and the bytes
are trusted for their sha512 alone.
"""

import base64
import hashlib
import subprocess
import tarfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Role(StrEnum):
    """What an art style may be used for. Held-out styles measure; nothing is ever trained on them."""

    DRAWN = "drawn"  #: a style the model draws in: U-Net, VAE and judge learn from it
    SEEN = "seen"  #: VAE and judge learn from it, so that they know more than one hand
    HELD_OUT = "held out"  #: only evaluated on
    NAMES = "names"  #: no pictures: names and keywords


@dataclass(frozen=True, kw_only=True)
class Package:
    """One npm package, exactly."""

    name: str
    version: str
    integrity: str  #: as npm gives it: "sha512-" and base64
    role: Role
    style: str = ""  #: the word captions use for this style
    upstream: str = ""
    licence: str = ""

    @property
    def set_name(self) -> str:
        """The name of the set within its scope, such as "noto"."""
        return self.name.rpartition("/")[2]


PACKAGES = (
    Package(
        name="@lobehub/fluent-emoji-3d",
        version="1.1.0",
        integrity="sha512-Wlq2lVStTnr8BDpIJ0pEnTKO4LuDxxqTEhTvRtD1DLRF0me7ogeRQjKoehDHXuVJ2Qaecgl5wRBv60lUAG3h7g==",
        role=Role.DRAWN,
        style="3d",
        upstream="Microsoft Fluent Emoji (microsoft/fluentui-emoji)",
        licence="MIT",
    ),
    Package(
        name="@iconify-json/fluent-emoji-flat",
        version="1.2.6",
        integrity="sha512-RY47RgPb47fYUiyrA64sIOL0+UU02s29sXpNBbIQRBUlPlfNFTKUmZDERGuxDs/7yNGWqQYvuaSYM1M4fRXlUw==",
        role=Role.DRAWN,
        style="flat",
        upstream="Microsoft Fluent Emoji (microsoft/fluentui-emoji)",
        licence="MIT",
    ),
    Package(
        name="@iconify-json/noto",
        version="1.2.9",
        integrity="sha512-DQiuXENbun41ch+XPSV55H9FaWKpHTyz46YIKtSaKYD4fIDDzL1tR6H4np/T38jfrTAeI3rcKF0mqHYeZVAuaw==",
        role=Role.DRAWN,
        style="cartoon",
        upstream="Noto Emoji (googlefonts/noto-emoji)",
        licence="Apache-2.0",
    ),
    Package(
        name="@iconify-json/noto-v1",
        version="1.2.5",
        integrity="sha512-/DsVMius69Q0fRS53z7QK1TROSuar606jiIx+laXtdsYGMXpf6LtHBx6CGfoo3UHHb/XpBsw+1L1x3eyPqMuVA==",
        role=Role.DRAWN,
        style="retro",
        upstream="Noto Emoji, the older drawings (googlefonts/noto-emoji)",
        licence="Apache-2.0",
    ),
    Package(
        name="@iconify-json/fxemoji",
        version="1.2.2",
        integrity="sha512-UAasRaxzFUKfIGSmLwnoarsssA4LX0VLLuEmplIqM6ZNQqIQRtav8tZ4H1neTlBreXuMQyAifr5jP4kn78DpiQ==",
        role=Role.SEEN,
        style="simple",
        upstream="FxEmojis (mozilla/fxemoji)",
        licence="Apache-2.0",
    ),
    Package(
        name="@iconify-json/emojione",
        version="1.2.3",
        integrity="sha512-T9+T3HIbJNLKKsmxYKlaYhvnHYkz/HNYTV7SHCXVZPfeUi4FqskY70YeN8yYAZT8cCv7w5vJxS4Q1m8zb9CMMg==",
        role=Role.SEEN,
        style="bold",
        upstream="EmojiTwo (EmojiTwo/emojitwo)",
        licence="CC-BY-4.0",
    ),
    Package(
        name="@iconify-json/twemoji",
        version="1.2.5",
        integrity="sha512-uKpuIEV0v6K5BW3Mjdyl+XKFVAbbcPxAgifKvEMtZoUZB5+YiY5zaMm2uNNCxyXzAWU9yNLlj41WU6/mvgALsw==",
        role=Role.HELD_OUT,
        style="minimal",
        upstream="Twemoji (jdecked/twemoji)",
        licence="CC-BY-4.0",
    ),
    Package(
        name="@iconify-json/openmoji",
        version="1.2.29",
        integrity="sha512-vXdhkqcXVSO6suy+m9LbcUM3OdVyuNOtpV8/als/WqfkQIRxevL5Geb/g+6GH/Qwnq1OqksEmaDGTCmZ5nFKJQ==",
        role=Role.HELD_OUT,
        style="outlined",
        upstream="OpenMoji (hfg-gmuend/openmoji)",
        licence="CC-BY-SA-4.0",
    ),
    Package(
        name="@iconify-json/emojione-v1",
        version="1.2.3",
        integrity="sha512-UjI2VQEXVtGlPBvQuxEizro7QCgBcJDOYwKUupquvvZ8UV4xOlvm45IU82JYWegiAWLerY79gFLMZ26U6Ms+ww==",
        role=Role.HELD_OUT,
        style="classic",
        upstream="EmojiOne 1 (joypixels/emojione)",
        licence="CC-BY-SA-4.0",
    ),
    Package(
        name="emojibase-data",
        version="17.0.0",
        integrity="sha512-Yvgb5AWoHViHV/gq1qr5ZAarcBip+B27/ZLRsUJkbgAEaLlZ/fof9g882LTpmEpyhBNEC0m2SEmItljHsTygjA==",
        role=Role.NAMES,
        upstream="emojibase (milesj/emojibase): CLDR names and keywords",
        licence="MIT",
    ),
)


class IntegrityError(Exception):
    """A package's bytes are not the pinned ones."""


def verify(archive: Path, integrity: str) -> None:
    """Raise IntegrityError unless the file's sha512 is the pinned one."""
    algorithm, _, expected = integrity.partition("-")
    if algorithm != "sha512":
        raise IntegrityError(f"{archive.name}: {algorithm} instead of sha512")
    found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != expected:
        raise IntegrityError(f"{archive.name}: its sha512 is {found}, pinned is {expected}")


def fetch(package: Package, folder: Path) -> Path:
    """Fetch the package by npm and verify it, unless it is there; return its unpacked folder under `folder`."""
    unpacked = folder / f"{package.set_name}-{package.version}"
    if unpacked.is_dir():
        return unpacked
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / (package.name.lstrip("@").replace("/", "-") + f"-{package.version}.tgz")
    if not archive.is_file():
        subprocess.run(  # noqa: S603
            ["npm", "pack", "--silent", f"{package.name}@{package.version}"],  # noqa: S607
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
    verify(archive, package.integrity)
    partial = unpacked.with_suffix(".partial")
    with tarfile.open(archive) as tar:
        tar.extractall(partial, filter="data")
    (partial / "package").rename(unpacked)  # appears whole or not at all
    partial.rmdir()
    return unpacked
