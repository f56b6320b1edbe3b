"""The page of a testnet in a real browser: Chromium, driven by browser.mjs. WEFT_PICTURES names a folder that keeps its pictures."""
import concurrent.futures
import os
import shutil
import signal
import subprocess
import time
import unittest

from browser import Browser
from support import BUNDLE, TestnetTest, wait_until, weft

NODES = 200 if os.environ.get("CI") else 30


@unittest.skipUnless(shutil.which("npm") and shutil.which("chromium"), "there is no npm or no chromium")
class PageInABrowser(TestnetTest):
    def picture(self, name):
        self.browser.keep_picture(self.dir, f"dashboard-{name}")

    def until(self, what, timeout_s=60):
        self.assertTrue(wait_until(what, timeout_s), self.browser("eval", script="JSON.stringify(window.weftTest.state()?.summary)"))

    def test_what_a_user_does(self):
        up = self.assert_status(weft("--json", "testnet", "up", "--dir", self.dir, "-n", NODES, "--seed", "3", "--http", "127.0.0.1:0",
                                     "--detach", timeout_s=120), 0).json()
        browser = self.browser = Browser(self)
        browser("open", url=up["page"])
        self.until(lambda: browser.number("count-running") == NODES and browser.number("members-min") == NODES)
        self.assertNotIn(up["page"].split("#")[1], browser("eval", script="location.href"), "the token stays in the address bar")
        # Five nodes say themselves what the page says.
        for i in (0, 1, NODES // 3, NODES // 2, NODES - 1):
            self.assertEqual(self.alive_at(i), NODES)
        time.sleep(3)
        self.picture("ring")
        # The tree of a namespace reaches all, and messages fly.
        self.run_testnet("exec", "0", "--", "state", "create", "room")
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            joined = pool.map(lambda i: weft("state", "join", "room", home=f"{self.dir}/n/{i}"), range(1, NODES))
        self.assertEqual({ran.status for ran in joined}, {0})
        browser("click", id="tab-tree")
        self.until(lambda: browser("eval", script="window.weftTest.tree()")["reached"] == NODES)
        tree = browser("eval", script="window.weftTest.tree()")
        self.assertEqual(tree["nodes"], NODES)
        self.assertLessEqual(tree["depth"], 12)
        self.assertIn(f"{NODES} nodes", browser("text", id="tree-line"))
        self.picture("tree")
        browser("click", id="tab-ring")
        browser("click", id="flow-switch")
        self.until(lambda: browser("eval", script="window.weftTest.flow().drawn") > 2 * NODES)
        self.picture("messages")
        browser("click", id="flow-switch")
        # One is killed by pid, not by the launcher.
        os.kill(self.nodes()[7]["pid"], signal.SIGKILL)
        self.until(lambda: browser.number("count-running") == NODES - 1 and browser.number("members-max") == NODES - 1)
        self.until(lambda: browser("eval", script="window.weftTest.state().nodes[7].seen.failed") == NODES - 1)
        browser("fill", id="put-key", value="colour")
        browser("fill", id="put-value", value="green")
        browser("click", id="put-submit")
        self.until(lambda: "copies" in browser("text", id="op-result"), 15)
        # A quarter is killed by a button; what was put is still there.
        browser("click", id="kill-quarter")
        hit = (NODES - 1) // 4
        left = NODES - 1 - hit
        self.until(lambda: left - 1 <= browser.number("count-running") <= left + 1, 15)
        left = browser.number("count-running")
        browser("click", id="tab-heatmap")
        time.sleep(3)
        self.picture("heatmap")
        self.until(lambda: browser.number("members-max") == left and browser.number("members-min") == left)
        browser("click", id="tab-ring")
        browser("click", id="get-submit")
        self.until(lambda: "green" in browser("text", id="op-result"), 15)
        self.picture("quarter-killed")
        # Who is dead can be chosen, and nobody asks it anything: a refusal would stand on the console.
        browser("eval", script="document.querySelector('[data-testid=ring]').focus()")
        for _ in range(NODES):
            browser("press", key="ArrowRight")
            if "The node is dead" in browser("text", id="node-answer"):
                break
        self.assertIn("The node is dead", browser("text", id="node-answer"))
        time.sleep(6)
        self.assertEqual(browser.trouble, [])
        browser("press", key="Escape")
        browser("click", id="restart-dead")
        self.until(lambda: browser.number("count-running") == NODES and browser.number("members-min") == NODES, 90)
        self.assertEqual(browser.number("count-dead"), 0)
        # By keyboard: a node is chosen on the ring.
        browser("eval", script="document.querySelector('[data-testid=ring]').focus()")
        browser("press", key="ArrowRight")
        # Its contacts are drawn, as it names them itself.
        self.until(lambda: browser("eval", script="window.weftTest.contacts()") >= 12, 15)
        time.sleep(2)
        self.picture("node")
        browser("click", id="tab-state")
        self.until(lambda: "room" in browser("text", id="node-answer"), 10)
        browser("click", id="tab-health")
        self.until(lambda: "clock" in browser("text", id="node-answer"), 10)
        browser("click", id="tab-log")
        self.until(lambda: "info" in browser("text", id="node-log"), 10)
        self.assertEqual(browser.trouble, [])
        # The other scheme, and a phone.
        browser("open", url=up["page"], scheme="light")
        self.until(lambda: browser.number("count-running") == NODES)
        time.sleep(3)
        self.picture("light")
        browser("open", url=up["page"], width=390, height=844)
        self.until(lambda: browser.number("count-running") == NODES)
        self.assertLessEqual(browser("eval", script="document.documentElement.scrollWidth"), 390)
        time.sleep(2)
        self.picture("phone")
        self.assertEqual(browser.trouble, [])
        status = weft("--json", "testnet", "status", "--dir", self.dir).json()
        self.assertEqual(status["false_failures"], 0)

    def test_its_types_fit(self):
        done = subprocess.run(["node", "node_modules/typescript/bin/tsc", "--noEmit"], cwd=BUNDLE, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main()
