// Opens files in a tool that is a page, and prints what the page shows of each, as JSON.
//
// usage: node open_in_browser.mjs MODULES CHROMIUM (speedscope|dhat|devtools) PAGE FILE...
//
// MODULES: the folder node_modules with playwright-core. PAGE: a path, or the address of a page of Chromium's own.
// speedscope: the text of the page, and what the app exports again: its own copy of what it has read, in full.
// dhat: the text of the page.
// devtools: rows [function, file, line, column, [own size, total size]], lines and columns from 0 on. tree: those of its view from
// the roots down, each with its level before it; functions: the top rows of the other view, one for each line of a function.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, executablePath, tool, page_path, ...files] = process.argv.slice(2);
const { chromium } = createRequire(modules + "/")("playwright-core");

async function speedscope(page, file) {
  await page.setInputFiles("input[type=file]", file);
  await page.getByText("Left Heavy").first().waitFor({ timeout: 30000 });
  const shown = await page.evaluate(() => document.body.innerText);
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByText("Export").first().click()]);
  return { shown, exported: JSON.parse(await readFile(await download.path(), "utf8")) };
}

async function dhat(page, file) {
  await page.setInputFiles("input[type=file]", file);
  await page.waitForFunction(() => document.body.textContent.includes("Invocation"), null, { timeout: 30000 });
  return { text: await page.evaluate(() => document.body.innerText) };
}

// The Memory panel of DevTools loads the file itself; then its own classes make the rows of both views.
async function devtools(page, file) {
  await page.evaluate(() => {
    const input = document.body.appendChild(document.createElement("input"));
    Object.assign(input, { type: "file", id: "the-file" });
  });
  await page.setInputFiles("#the-file", file);
  return page.evaluate(async () => {
    const { HeapProfileView, TopDownProfileDataGrid, BottomUpProfileDataGrid } = await import("./panels/profiler/profiler.js");
    const type = new HeapProfileView.SamplingHeapProfileType();
    const problem = await type.loadFromFile(document.getElementById("the-file").files[0]);
    if (problem) throw problem;
    const model = new HeapProfileView.SamplingHeapProfileModel(type.getProfiles()[0].profile);
    const grid = (kind) => new kind(HeapProfileView.nodeFormatter, null, model.root, model.total);
    const row = ({ functionName, url, profileNode, self, total }) =>
      [functionName, url, profileNode.lineNumber, profileNode.columnNumber, [self, total]];
    const tree = [];
    function add(entries, level) {
      for (const entry of entries) {
        entry.populate();
        tree.push([level, ...row(entry)]);
        add(entry.children, level + 1);
      }
    }
    add(grid(TopDownProfileDataGrid.TopDownProfileDataGridTree).children, 1);
    const functions = grid(BottomUpProfileDataGrid.BottomUpProfileDataGridTree).children.map(row);
    return { total: model.total, tree, functions };
  });
}

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  const found = [];
  for (const file of files) {
    const page = await browser.newPage({ viewport: { width: 1500, height: 4000 } });
    const errors = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("dialog", (dialog) => {
      errors.push(dialog.message());
      dialog.dismiss();
    });
    await page.goto(page_path.includes("://") ? page_path : pathToFileURL(page_path).href);
    found.push({ ...(await { speedscope, dhat, devtools }[tool](page, file)), errors });
    await page.close();
  }
  console.log(JSON.stringify(found));
} finally {
  await browser.close();
}
