// A browser for tests: reads one JSON request a line from stdin, answers with one JSON line. Arguments: the folder whose node_modules has
// playwright-core, and Chromium. Ends with stdin.
//   {"do":"open","url","width","height","scheme"}   a fresh page
//   {"do":"text"|"click","id"}  {"do":"fill","id","value"}  {"do":"press","key"}   by data-testid
//   {"do":"eval","script"}  {"do":"picture","path"}
// Each answer: {"value"} or {"error"}; and "trouble": what the page has written to its console as an error, or thrown, or failed to load.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [folder, executablePath] = process.argv.slice(2);
const { chromium } = createRequire(`${folder}/package.json`)("playwright-core");
const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
let page;
const trouble = [];
const part = (id) => page.getByTestId(id).first();

const verbs = {
  async open({ url, width = 1400, height = 900, scheme = "dark" }) {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme });
    page = await context.newPage();
    page.setDefaultTimeout(10_000);
    page.on("console", (message) => message.type() === "error" && trouble.push(message.text()));
    page.on("pageerror", (error) => trouble.push(String(error)));
    page.on("requestfailed", (request) => trouble.push(`${request.url()}: ${request.failure()?.errorText}`));
    await page.goto(url);
  },
  text: ({ id }) => part(id).innerText(),
  click: ({ id }) => part(id).click(),
  fill: ({ id, value }) => part(id).fill(value),
  press: ({ key }) => page.keyboard.press(key),
  eval: ({ script }) => page.evaluate(script),
  picture: ({ path }) => page.screenshot({ path }).then(() => path),
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let answer;
  try {
    answer = { value: (await verbs[request.do](request)) ?? null };
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(JSON.stringify({ ...answer, trouble }) + "\n");
}
await browser.close();
