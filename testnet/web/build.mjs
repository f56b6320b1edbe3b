// Makes the pages: `node build.mjs OUT_FILE` bundles src/ into one html file that loads nothing from elsewhere, src/node/ into node.html
// and src/report/ into report.html beside it. Whoever makes a report replaces the text __RUNS__ in that by the runs as JSON, `<` written as \u003c.
//
// The server's content security policy allows one inline script, by its hash; that is written to OUT_FILE.csp (and node.html.csp) as `sha256-BASE64=`.
// Types are not checked here: `npm run check` does.
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);

async function script(entry) {
  const result = await build({
    entryPoints: [join(here, "src", entry)],
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

async function style(...names) {
  const own = await Promise.all(names.map((name) => readFile(join(here, "src", name), "utf8")));
  const plot = await readFile(join(dirname(require.resolve("uplot/package.json")), "dist/uPlot.min.css"), "utf8");
  // The target knows light-dark(), so it stays as it is written.
  const small = await transform(plot + own.join(""), { loader: "css", minify: true, target: "chrome123" });
  return small.code.trim();
}

// What the licences of the parts ask to go with each copy.
async function notices(...packages) {
  const texts = await Promise.all(
    packages.map(async (name) => `${name}:\n${await readFile(join(dirname(require.resolve(`${name}/package.json`)), "LICENSE"), "utf8")}`),
  );
  const text = texts.join("\n");
  if (text.includes("--") || text.includes(">")) throw new Error("a licence cannot stand in a comment");
  return text.trim();
}

// `head`, `data`: lines of their own there and before the script, or nothing.
function whole(title, head, css, data, js) {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
${head}<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="dark light">
<link rel="icon" href="data:,">
<title>${title}</title>
<style>${css}</style>
</head>
<body>
<div id="app"></div>
<noscript>This page needs JavaScript.</noscript>
${data}<script>${js}</script>
<!--
This page contains:

${licences}
-->
</body>
</html>
`;
}

const out = process.argv[2];
if (!out || process.argv.length !== 3) {
  console.error("usage: node build.mjs OUT_FILE");
  process.exit(2);
}
const [licences, js, css, node_js, node_css, report_js, report_css] = await Promise.all([
  notices("preact", "uplot"),
  script("app.tsx"),
  style("panels.css", "style.css"),
  script("node/main.tsx"),
  style("panels.css", "style.css", "node/node.css"),
  script("report/main.tsx"),
  style("style.css", "report/report.css"),
]);
const kRuns = "__RUNS__";
const page = whole("weft testnet", "", css, "", js);
const report = whole(
  "weft report",
  `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:">\n`,
  report_css,
  `<script type="application/json" id="runs">${kRuns}</script>\n`,
  report_js,
);
if (report.split(kRuns).length !== 2) throw new Error(`the report must contain ${kRuns} once`);
const file = resolve(out);
const node_file = join(dirname(file), "node.html");
const hash = (text) => `sha256-${createHash("sha256").update(text, "utf8").digest("base64")}`;
await mkdir(dirname(file), { recursive: true });
await writeFile(file, page);
await writeFile(node_file, whole("weft node", "", node_css, "", node_js));
await writeFile(`${node_file}.csp`, hash(node_js));
await writeFile(join(dirname(file), "report.html"), report);
await writeFile(`${file}.csp`, hash(js));
