"""Each fetched config is a journal message that programs can look for. The journal's socket is a fixed path, so
this runs in a mount namespace of its own with a fake journal."""
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading

from harness import ProvisionTest, config, data, main, merge

INSIDE = "BASALT_TEST_PRIVATE_MOUNTS"


class Journal(ProvisionTest):
    def test_fetched_configs(self):
        run = pathlib.Path("/run/systemd/journal")
        run.mkdir(parents=True)
        journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(journal.close)
        journal.bind(str(run / "socket"))
        messages = []

        def drain():  # the kernel queues few datagrams
            while message := journal.recv(65536):
                messages.append(message.decode())

        reader = threading.Thread(target=drain, daemon=True)
        reader.start()
        self.config.write_text(json.dumps(merge(data(config()))))
        p = self.call("-platform", "file", "-stage", "fetch", "-root", "", "-config-cache", self.cache,
                      "-state-file", self.state, "-neednet", self.neednet)
        self.assertEqual((p.returncode, p.stdout, p.stderr), (0, "", ""))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(b"", str(run / "socket"))
        reader.join(10)
        found = []
        for message in messages:
            fields = dict(line.split("=", 1) for line in message.splitlines() if "=" in line)
            self.assertEqual(fields["SYSLOG_IDENTIFIER"], "ignition")
            if fields.get("MESSAGE_ID") == "57124006b5c94805b77ce473e92a8aeb":
                found.append((fields["MESSAGE"], fields["IGNITION_CONFIG_TYPE"], fields["IGNITION_CONFIG_SRC"],
                              fields["IGNITION_CONFIG_REFERENCED"]))
        self.assertEqual(found, [('fetched base config from "system"', "base", "system", "false"),
                                 ('fetched user config from "file"', "user", "file", "false"),
                                 ('fetched referenced user config from ""', "user", "", "true")])


if __name__ == "__main__":
    if os.environ.get(INSIDE):
        main()
    else:
        enter = ["unshare", "--mount", "--propagation", "private"]
        prepare = "mount -t tmpfs none /run && exec \"$@\""
        if subprocess.run([*enter, "sh", "-c", prepare, "sh", "true"], capture_output=True).returncode:
            print("no private mounts here")
            sys.exit(77)
        os.environ[INSIDE] = "1"
        os.execvp("unshare", [*enter, "sh", "-c", prepare, "sh", sys.executable, __file__])
