"""`python -m labelloop_operator`."""

import sys

from labelloop_operator.main import main

if __name__ == "__main__":
    sys.exit(main())
