"""QEMU's control socket: one command at a time, events kept in the order they came."""
import json
import socket
import time


class Qmp:
    def __init__(self, path, alive, deadline):
        """`alive()` raises when QEMU has ended."""
        while True:
            self.socket = socket.socket(socket.AF_UNIX)
            try:
                self.socket.connect(path)
                break
            except OSError:
                self.socket.close()
                alive()
                if time.monotonic() > deadline:
                    raise TimeoutError("QEMU opened no control socket") from None
                time.sleep(0.01)
        self.lines = self.socket.makefile("rb")
        self.events = []
        self.message()
        self.run("qmp_capabilities")

    def message(self):
        line = self.lines.readline()
        if not line:
            raise EOFError("QEMU closed its control socket")
        return json.loads(line)

    def run(self, command, **arguments):
        """What it returned."""
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            message = self.message()
            if "event" in message:
                self.events.append(message)
            elif "error" in message:
                raise RuntimeError(f"QEMU: {command}: {message['error']['desc']}")
            else:
                return message["return"]

    def wait(self, command, field, values, deadline):
        while True:
            now = self.run(command).get(field)
            if now in values:
                return now
            if time.monotonic() > deadline:
                raise TimeoutError(f"{command}: {field} is {now}")
            time.sleep(0.02)

    def close(self):
        self.lines.close()
        self.socket.close()
