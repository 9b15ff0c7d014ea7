"""Start NGINX Unit and hand it its configuration, as curl does: ``put_config.py CONTROL-SOCKET FILE UNITD...``."""

import os
import socket
import sys
import time

REQUEST = "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
DEADLINE = 60


def connect(path):
    """A connection to the control socket, once it is there."""
    end = time.monotonic() + DEADLINE
    while True:
        control = socket.socket(socket.AF_UNIX)
        control.settimeout(DEADLINE)
        try:
            control.connect(path)
            return control
        except OSError:
            control.close()
            if time.monotonic() > end:
                raise
        time.sleep(0.02)


def ask(path, method, target, body=b""):
    """What the control socket *path* answers."""
    with connect(path) as control:
        control.sendall((REQUEST % (method, target, len(body))).encode() + body)
        answer = b""
        for chunk in iter(lambda: control.recv(4096), b""):
            answer += chunk
    return answer.decode()


def put(path, file):
    """Put the content of *file* and return the answer."""
    with open(file, "rb") as stream:
        return ask(path, "PUT", "/config", stream.read())


def main(path, file, *command):
    """Let a process of its own put the configuration, and become Unit."""
    if os.fork() == 0:
        if os.fork() == 0:
            print(put(path, file), flush=True)
        os._exit(0)
    os.wait()
    os.execv(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
