"""The client under test as an object: one method a command of drive.c."""
import json
import subprocess


class Driver:
    def __init__(self, program, kubeconfig):
        self.process = subprocess.Popen([program, kubeconfig], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the driver is gone ({self.process.wait()})"
        return json.loads(line)

    def call(self, verb, kind, **more):
        return self.ask(do="call", verb=verb, kind=kind, **more)

    def watch(self, kind, **more):
        done = self.ask(do="watch", kind=kind, **more)
        assert done["result"] == 0, done

    def next(self, ms=5000):
        return self.ask(do="next", ms=ms)

    def memory(self):
        return self.ask(do="memory")

    def close(self):
        self.process.stdin.close()
        code = self.process.wait(timeout=20)
        assert code == 0, f"the driver ended with {code}"
