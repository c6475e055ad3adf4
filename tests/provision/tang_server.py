"""A Tang server on the loopback interface: tangd behind a socket. Its keys are made anew."""
import json
import pathlib
import socket
import subprocess
import threading

TANGD = "/usr/libexec/tangd"


class Tang:
    """tangd answers one request on its standard streams; this accepts them."""

    def __init__(self, directory):
        self.keys = pathlib.Path(directory)
        self.keys.mkdir(exist_ok=True)
        subprocess.run([TANGD + "-keygen", str(self.keys)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            subprocess.run([TANGD, str(self.keys)], stdin=connection, stdout=connection, stderr=subprocess.DEVNULL)
            connection.close()

    def advertisement(self):
        return subprocess.run(["curl", "-fsS", f"{self.url}/adv"], stdout=subprocess.PIPE, check=True, text=True).stdout

    def thumbprint(self, algorithm="S256"):
        for path in self.keys.glob("*.jwk"):
            key = json.loads(path.read_text())
            if "verify" in key["key_ops"]:
                return subprocess.run(["jose", "jwk", "thp", "-a", algorithm, "-i", str(path)], stdout=subprocess.PIPE,
                                      check=True, text=True).stdout.strip()
        raise AssertionError("no signing key")

    def close(self):
        if self.socket.fileno() >= 0:
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
