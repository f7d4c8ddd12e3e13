"""The machine's own settings for package indexes, certificates and proxies.

They reach the build stages, so that packages can be installed, and neither the final images nor any committed file.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")

# uv reads neither pip's variables nor pip.conf: (uv's variable, pip's option).
UV_FROM_PIP = (
    ("UV_DEFAULT_INDEX", "index-url"),
    ("UV_INDEX", "extra-index-url"),
    ("UV_INSECURE_HOST", "trusted-host"),
)
UV_OLD_NAMES = {"UV_INDEX_URL": "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL": "UV_INDEX"}


@dataclass(frozen=True)
class MachineSettings:
    """What a build stage gets.

    Attributes:
        uv: environment of uv (indexes and hosts), without paths of this machine.
        proxies: environment variables of proxies.
        certificates: file with the certificate authorities that this machine trusts, if there is one.
    """

    uv: Mapping[str, str]
    proxies: Mapping[str, str]
    certificates: Path | None


def machine_settings() -> MachineSettings:
    """Read the settings from the environment and from pip's configuration files."""
    environment = os.environ
    pip = pip_options(environment)
    uv = {variable: pip[option] for variable, option in UV_FROM_PIP if pip.get(option)}
    for name, value in environment.items():
        variable = UV_OLD_NAMES.get(name, name)
        if value and variable in dict(UV_FROM_PIP):
            uv[variable] = value
    named = [environment.get(name, "") for name in CERTIFICATE_VARIABLES]
    named += [pip.get("cert", ""), str(SYSTEM_CERTIFICATES)]
    certificates = next((Path(path) for path in named if path and Path(path).is_file()), None)
    proxies = {name: environment[name] for name in PROXY_VARIABLES if environment.get(name)}
    return MachineSettings(uv=uv, proxies=proxies, certificates=certificates)


def pip_options(environment: Mapping[str, str]) -> dict[str, str]:
    """Return pip's options (`index-url`, `cert`, ...) as pip sees them: its variables before its files."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    options: dict[str, str] = {}
    for line in listing.stdout.splitlines():
        name, separator, quoted = line.partition("=")
        section, _, option = name.rpartition(".")
        value = quoted.strip().strip("'\"").replace("\\n", " ").strip()
        # Within a section pip itself has put the files in order; a variable goes before all of them.
        if separator and (section == ":env:" or (section in ("global", "install") and option not in options)):
            options[option] = value
    return options
