"""./testnet/demo, small: it must say what it does, find everything, and leave nothing behind."""
import glob
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

from support import weft_binary

DEMO = pathlib.Path(__file__).resolve().parent.parent.parent / "testnet/demo"


class Demo(unittest.TestCase):
    def start(self):
        env = {**os.environ, "WEFT_BINARY": weft_binary(), "WEFT_DEMO_NODES": "16"}
        return subprocess.Popen([DEMO], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True, env=env)

    def assert_nothing_is_left(self, before):
        self.assertEqual(set(glob.glob(tempfile.gettempdir() + "/weft-run-*")) - before, set())

    def setUp(self):
        self.before = set(glob.glob(tempfile.gettempdir() + "/weft-run-*"))

    def test_runs_to_its_end(self):
        demo = self.start()
        out, _ = demo.communicate(timeout=180)
        self.assertEqual(demo.returncode, 0, out)
        self.assertIn("Killing a quarter of the processes", out)
        self.assertEqual(out.count("1000/1000"), 5, out)  # stored, and found four times
        self.assertNotIn("FAIL", out)
        self.assert_nothing_is_left(self.before)

    def test_interrupted(self):
        demo = self.start()
        time.sleep(3)
        demo.send_signal(signal.SIGINT)
        out, _ = demo.communicate(timeout=60)
        self.assertEqual(demo.returncode, 130, out)
        self.assert_nothing_is_left(self.before)


if __name__ == "__main__":
    unittest.main()
