#!/usr/bin/env python3
"""Builds and runs the tests in phases; see tests/run, which calls this.

Each phase is bounded in time, counts what passed and failed, and is skipped (as one failure) when
what it needs was not built. What failed is told once more at the end, where a log that keeps only its
last lines still has it. The last line is "N passed, N failed".
"""
import concurrent.futures
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
CI = os.environ.get("CI", "") not in ("", "0", "false")
FAST = os.environ.get("WEFT_FAST", "") not in ("", "0")
PRESET = "ci" if CI else "release"
JOBS = str(os.cpu_count() or 2)
FUZZ_SECONDS = int(os.environ.get("WEFT_FUZZ_SECONDS", "10"))
TOLD_CHARS = 6000  # of what a phase's failures printed, repeated at the end
# What the everyday loop runs of the tests with real processes.
FAST_INTEGRATION = ["two_nodes"]


class Tally:
    def __init__(self):
        self.passed, self.failed, self.rows = 0, 0, []
        self.told = []  # (phase, what its failures printed)

    def add(self, phase, passed, failed, seconds, why=""):
        self.passed += passed
        self.failed += failed
        self.rows.append((phase, passed, failed, seconds))
        if failed and why:
            self.told.append((phase, why if len(why) <= TOLD_CHARS else "[...] " + why[-TOLD_CHARS:]))
        print(f"==> {phase}: {passed} passed, {failed} failed in {seconds:.0f} s", flush=True)


def run(words, limit_s, env=None, capture=False):
    """(exit status, output): in a process group of its own, which is ended as a whole at the limit."""
    print(f"--> {' '.join(map(str, words))}", flush=True)
    process = subprocess.Popen(
        [str(word) for word in words], cwd=ROOT, env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL, start_new_session=True, text=True, errors="replace",
        stdout=subprocess.PIPE if capture else None, stderr=subprocess.STDOUT if capture else None)
    try:
        output, _ = process.communicate(timeout=limit_s)
        return process.returncode, output or ""
    except BaseException as error:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            output, _ = process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        print(f"    ended after {limit_s} s", flush=True)
        return 124, output or ""


def build(tally, preset, limit_s, target="all"):
    started = time.monotonic()
    ok = run(["cmake", "--preset", preset], 300)[0] == 0 and \
        run(["cmake", "--build", "--preset", preset, "--target", target, "-j", JOBS], limit_s)[0] == 0
    tally.add(f"build {preset}", int(ok), int(not ok), time.monotonic() - started)
    return ok


def unit_tests(tally, preset, limit_s, names=()):
    started = time.monotonic()
    report = ROOT / "build" / preset / "unit-tests.xml"
    report.unlink(missing_ok=True)
    words = ["ctest", "--preset", preset, "-j", JOBS, "--output-junit", report,
             "--no-tests=error"]
    if names:
        words += ["-R", "|".join(names)]
    if FAST:
        words += ["-LE", "large"]
    env = {"CTEST_OUTPUT_ON_FAILURE": "1", "WEFT_BINARY": str(binary(preset))}
    status, _ = run(words, limit_s, env)
    why = ""
    try:
        suite = xml.etree.ElementTree.parse(report).getroot()
        why = "\n".join(f"{case.get('name')}: {(case.findtext('system-out') or '')[-TOLD_CHARS // 4:]}"
                        for case in suite.iter("testcase") if case.get("status") == "fail")
        failed = int(suite.get("failures", "0"))
        passed = int(suite.get("tests", "0")) - failed - int(suite.get("disabled", "0")) \
            - int(suite.get("skipped", "0"))
    except (OSError, xml.etree.ElementTree.ParseError):
        passed, failed = 0, 1
    if status != 0 and failed == 0:
        failed = 1
    tally.add(f"unit tests, {preset}", passed, failed, time.monotonic() - started, why)


def count_unittest(output, status):
    """(passed, failed) of what Python's unittest printed."""
    ran = sum(int(n) for n in re.findall(r"^Ran (\d+) tests? in", output, re.M))
    failed = sum(int(n) for n in re.findall(r"(?:failures|errors|unexpected successes)=(\d+)", output))
    skipped = sum(int(n) for n in re.findall(r"skipped=(\d+)", output))
    if status != 0 and failed == 0:
        failed = 1
    return max(0, ran - failed - skipped), failed


def python_tests(tally, phase, path, limit_s):
    started = time.monotonic()
    status, output = run([sys.executable, "-B", path], limit_s, {"WEFT_BINARY": str(binary(PRESET))},
                         capture=True)
    passed, failed = count_unittest(output, status)
    if failed:
        print(output, flush=True)
    # From the first failure on: what comes before it are the names of those that passed.
    first = re.search(r"^=+\n(?:FAIL|ERROR)", output, re.M)
    tally.add(phase, passed, failed, time.monotonic() - started, output[first.start() if first else 0:])


def integration_files(names=()):
    found = sorted((ROOT / "tests/integration").glob("*_test.py"))
    if names:
        found = [path for path in found if any(name in path.stem for name in names)]
    return found


def fuzz(tally):
    """Each target for a few seconds over its saved inputs, one a core; what it finds stays in build/fuzz."""
    if not build(tally, "fuzz", 1200, "fuzz"):
        return
    started, passed, failed, why = time.monotonic(), 0, 0, ""

    def one(target):
        saved = ROOT / "tests/fuzz/corpus" / target.name.removesuffix("_fuzz")
        work = ROOT / "build/fuzz/corpus" / target.name
        work.mkdir(parents=True, exist_ok=True)
        return run(
            [target, f"-max_total_time={FUZZ_SECONDS}", "-timeout=5", "-rss_limit_mb=2048",
             "-print_final_stats=1", f"-artifact_prefix={work.parent}/{target.name}-", work,
             *([saved] if saved.is_dir() else [])], FUZZ_SECONDS + 60, capture=True)

    targets = [target for target in sorted((ROOT / "build/fuzz").rglob("*_fuzz"))
               if target.is_file() and os.access(target, os.X_OK)]
    with concurrent.futures.ThreadPoolExecutor(int(JOBS)) as pool:
        try:
            ended = list(pool.map(one, targets))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # those under way end by themselves in seconds
            raise
    for target, (status, output) in zip(targets, ended):
        runs = re.search(r"stat::number_of_executed_units:\s*(\d+)", output)
        print(f"    {target.name}: {runs.group(1) if runs else '?'} inputs, exit {status}", flush=True)
        if status == 0:
            passed += 1
        else:
            failed += 1
            print(output[-4000:], flush=True)
            why += f"{target.name}: {output[-TOLD_CHARS // 4:]}\n"
    tally.add("fuzz targets", passed, failed, time.monotonic() - started, why)


def binary(preset):
    return ROOT / "build" / preset / "weft"


def everything(tally):
    python_tests(tally, "layers and banned calls", "tests/layering_test.py", 60)
    if not build(tally, PRESET, 1500):
        return
    unit_tests(tally, PRESET, 1200)
    integration = integration_files(FAST_INTEGRATION if FAST else ())
    for path in integration:
        python_tests(tally, f"integration {path.stem}", path.relative_to(ROOT), 240)
    if FAST:
        return
    if build(tally, "dev", 1500):
        unit_tests(tally, "dev", 900)
    if subprocess.run(["which", "clang++-19"], capture_output=True).returncode == 0:
        fuzz(tally)


def chosen(tally, names):
    if any(name in "layering_test" for name in names):
        python_tests(tally, "layers and banned calls", "tests/layering_test.py", 60)
        if len(names) == 1:
            return
    if not build(tally, PRESET, 1500):
        return
    files = integration_files(names)
    for path in files:
        python_tests(tally, f"integration {path.stem}", path.relative_to(ROOT), 240)
    listed = run(["ctest", "--preset", PRESET, "-N", "-R", "|".join(names)], 60, capture=True)[1]
    if not files or "Total Tests: 0" not in listed:
        unit_tests(tally, PRESET, 600, names)


def main():
    # So that a build or test under way is ended with us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tally, started = Tally(), time.monotonic()
    names = sys.argv[1:]
    if any(name.startswith("-") for name in names):
        print("usage: tests/run [NAME...]", file=sys.stderr)
        return 2
    if names:
        chosen(tally, names)
    else:
        everything(tally)
    for phase, why in tally.told:
        print(f"\n==> failed in {phase}:\n{why}")
    print("\nphase                                          passed  failed  seconds")
    for phase, passed, failed, seconds in tally.rows:
        print(f"{phase:<46} {passed:>6}  {failed:>6}  {seconds:>7.1f}")
    print(f"{'all':<46} {tally.passed:>6}  {tally.failed:>6}  {time.monotonic() - started:>7.1f}\n")
    print(f"{tally.passed} passed, {tally.failed} failed", flush=True)
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())
