"""Whether a container works: something listens on the port that NEPHROGRADE_PORT names, or the program starts."""

import os
import socket
import subprocess
import sys


def main():
    """Return 0 if it works, as the container's engine asks every 30 seconds."""
    port = os.environ.get("NEPHROGRADE_PORT", "")
    if not port:
        return subprocess.run([sys.executable, "-m", "nephrograde", "--version"], check=False, timeout=15).returncode
    try:
        with socket.create_connection(("127.0.0.1", int(port)), timeout=5):
            return 0
    except (OSError, ValueError) as error:
        sys.stderr.write(f"nothing listens on port {port}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
