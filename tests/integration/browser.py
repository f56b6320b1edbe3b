"""Chromium for tests, driven by browser.mjs. WEFT_PICTURES names a folder that keeps the pictures."""
import json
import os
import pathlib
import shutil
import subprocess

from support import BUNDLE


class Browser:
    def __init__(self, case):
        self.process = subprocess.Popen(["node", pathlib.Path(__file__).with_name("browser.mjs"), BUNDLE, shutil.which("chromium")],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        case.addCleanup(self.close)
        self.trouble = []

    def __call__(self, verb, **fields):
        self.process.stdin.write(json.dumps({"do": verb, **fields}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        self.trouble = answer["trouble"]
        if "error" in answer:
            raise AssertionError(f"{verb} {fields}: {answer['error']}")
        return answer["value"]

    def number(self, part):
        return int("".join(filter(str.isdigit, self("text", id=part))) or -1)

    def keep_picture(self, folder, name):
        """In WEFT_PICTURES, or in `folder`, where the test ends it."""
        path = pathlib.Path(os.environ.get("WEFT_PICTURES", folder)).resolve() / f"{name}.png"
        self("picture", path=str(path))
        assert path.stat().st_size > 10_000, f"{path} shows nothing"

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
