// Makes the page: `node build.mjs OUT_FILE` bundles src/ into one html file that loads nothing from elsewhere.
//
// The server's content security policy allows one inline script, by its hash; that is written to OUT_FILE.csp as `sha256-BASE64=`.
// Types are not checked here: `npm run check` does.
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);

async function script() {
  const result = await build({
    entryPoints: [join(here, "src/app.tsx")],
    absWorkingDir: here,
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    target: "es2022",
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
    logLevel: "warning",
  });
  // A string that holds "</script" or "<!--" would end the element or change how it is read.
  return result.outputFiles[0].text.replace(/<\/(script)/gi, "<\\/$1").replaceAll("<!--", "<\\!--").trim();
}

async function style() {
  const own = await Promise.all(["panels.css", "style.css"].map((name) => readFile(join(here, "src", name), "utf8")));
  const plot = await readFile(join(dirname(require.resolve("uplot/package.json")), "dist/uPlot.min.css"), "utf8");
  // The target knows light-dark(), so it stays as it is written.
  const small = await transform(plot + own.join(""), { loader: "css", minify: true, target: "chrome123" });
  return small.code.trim();
}

const out = process.argv[2];
if (!out || process.argv.length !== 3) {
  console.error("usage: node build.mjs OUT_FILE");
  process.exit(2);
}
const [js, css] = await Promise.all([script(), style()]);
const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="dark light">
<link rel="icon" href="data:,">
<title>weft testnet</title>
<style>${css}</style>
</head>
<body>
<div id="app"></div>
<noscript>This page needs JavaScript.</noscript>
<script>${js}</script>
</body>
</html>
`;
const file = resolve(out);
await mkdir(dirname(file), { recursive: true });
await writeFile(file, page);
await writeFile(`${file}.csp`, `sha256-${createHash("sha256").update(js, "utf8").digest("base64")}`);
