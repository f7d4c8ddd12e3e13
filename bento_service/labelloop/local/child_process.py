"""What the processes have in common that the trainer starts: they end with it, and leave the machine to the server."""

import os
import threading

_NICENESS = 10


def begin() -> None:
    """Lower the priority, and end when the trainer does.

    The trainer holds the other end of our standard input; when it is gone nobody waits for this process.
    """

    def wait() -> None:
        while os.read(0, 1):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
    os.nice(_NICENESS)
