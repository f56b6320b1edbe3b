"""Builds the compiled tools of this folder, in the build folder of the binary under test, unless
$WEFT_BENCH_TOOLS names a folder that has them."""
import os
import pathlib
import subprocess
import sys

import mesh


def tool(name):
    if os.environ.get("WEFT_BENCH_TOOLS"):
        return str(pathlib.Path(os.environ["WEFT_BENCH_TOOLS"]).resolve() / name)
    build = pathlib.Path(mesh.weft_binary()).parent
    done = subprocess.run(["cmake", "--build", build, "--target", "bench"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"the tools did not build in {build}:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    for path in build.rglob(name):
        if path.is_file():
            return str(path)
    sys.exit(f"no {name} in {build}")
