"""Entry point of the Bento: what `bentofile.yaml` names. The service itself is `labelloop.serving.service`."""

import logging
import sys
from pathlib import Path

# The library lies next to this file, in a checkout as in the image.
sys.path.insert(0, str(Path(__file__).parent))

from labelloop.serving.server import prepare_environment, settings_or_exit

prepare_environment()
_settings = settings_or_exit()
logging.getLogger("labelloop").setLevel(_settings.log_level)

from labelloop.serving.service import build_service  # noqa: E402

LabelStudioBackend = build_service(_settings)
