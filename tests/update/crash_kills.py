"""kill -9 at a random moment of a random change, over and over on one system that is never put right by anybody but
the next change. After each the system is whole, seen with both pairs of eyes."""
import random
import shutil
import signal
import subprocess
import time

from crash_calls import Bench
from crash_disk import scratch, umount_all
from crash_system import kernel_view, need

VERSIONS = (1, 2, 3)


def tree_key(deployment):
    """The commit: each deployment of one has the same files here, /etc too."""
    return deployment.rsplit("/", 1)[1].split(".")[0]


class Torture:
    def __init__(self, bench, rng):
        self.bench, self.rng, self.took, self.ended = bench, rng, {}, {}
        self.commits, self.trees = {}, {}
        for version in (*VERSIONS[1:], 1):
            bench.program.publish(version)
            bench.program.run("upgrade")
            self.learn(version)
        self.version = 1

    def learn(self, version):
        entries = kernel_view(self.bench.root)
        self.commits[version] = tree_key(entries[0].deployment)
        for e in entries:
            self.trees[tree_key(e.deployment)] = e.tree
        self.bench.knowledge.learn(entries)

    def look(self):
        """What boots, in order."""
        entries = kernel_view(self.bench.root)
        for e in entries:
            self.bench.knowledge.trees.setdefault(e.deployment, set()).add(self.trees.get(tree_key(e.deployment)))
        self.bench.looked_at([[e.what for e in entries]])
        return [tree_key(e.deployment) for e in entries]

    def one(self):
        rng, program = self.rng, self.bench.program
        verb = rng.choice(["upgrade", "upgrade", "upgrade --stage", "finalize", "rollback", "kargs", "cleanup"])
        before = self.look()
        if verb.startswith("upgrade"):
            self.version = rng.choice(VERSIONS)
            program.publish(self.version)
            words = verb.split()
        elif verb == "kargs":
            words = ["kargs", rng.choice(["--append-if-missing=one", "--delete-if-present=one"])]
        elif verb == "cleanup":
            words = ["cleanup", *rng.sample(["--pending", "--rollback", "--objects"], rng.randrange(3))]
        else:
            words = [verb]
        # The first of each kind says how long it takes.
        wait = rng.uniform(0, 1.1 * self.took[verb]) if verb in self.took else 60
        started = time.monotonic()
        process = subprocess.Popen(program.words(*words), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   stdin=subprocess.DEVNULL, text=True)
        try:
            said = process.communicate(timeout=wait)[1]
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            said = process.communicate()[1]
        code = process.returncode
        if code == 0:
            self.took[verb] = max(self.took.get(verb, 0), time.monotonic() - started)
        refused = verb == "rollback" and "no deployment to go back" in said
        need(code in (0, -9) or refused, f"{' '.join(words)} exits with {code}: {said}")
        self.ended[code] = self.ended.get(code, 0) + 1
        after = self.look()
        wanted = set(before) | set(self.commits.values())
        need(set(after) <= wanted, f"{before} became {after}")
        if verb in ("kargs", "rollback", "cleanup"):
            need(set(after) <= set(before), f"{verb}: {before} became {after}")
        data = self.bench.root / "ostree/deploy/basalt/var/data"
        need(data.read_text() == "data\n", "/var lost data")


def kills(program, n, seed):
    """(kills, failures)."""
    bad = 0
    with scratch() as place:
        bench = Bench(program, place)
        bench.restore()
        torture = Torture(bench, random.Random(seed))
        while torture.ended.get(-9, 0) < n and bad < 10:
            try:
                torture.one()
            except Exception as e:
                bad += 1
                print(f"  after {sum(torture.ended.values())} runs: {type(e).__name__}: {e}", flush=True)
        bench.program.thaw()
        bench.program.run("cleanup", "--objects")
        bench.program.run("verify", "--repository")
        if shutil.which("ostree"):
            subprocess.run(["ostree", "fsck", "--quiet", f"--repo={bench.root}/ostree/repo"], check=True,
                           stdout=subprocess.DEVNULL)
        print(f"kills: {torture.ended.get(-9, 0)} killed, {torture.ended.get(0, 0)} ran to their end, "
              f"{torture.ended.get(1, 0)} had nothing to do", flush=True)
        umount_all(bench.root)
    return torture.ended.get(-9, 0), bad
