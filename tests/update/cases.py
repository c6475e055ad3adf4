"""What the test programs of this directory share."""
import time
import unittest


class Case(unittest.TestCase):
    """Says how long each test took."""
    maxDiff = None

    def run(self, result=None):
        started = time.monotonic()
        super().run(result)
        print(f"{time.monotonic() - started:6.2f} s {self.id()}", flush=True)
