"""What developers and the Makefile run: building and pushing of images."""

import sys
from pathlib import Path

# The tools are run in a checkout, where the library need not be installed.
sys.path.append(str(Path(__file__).resolve().parents[1] / "bento_service"))
