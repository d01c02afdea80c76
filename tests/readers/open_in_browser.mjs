// Opens files in a tool that is a page, and prints what the page shows of each, as JSON.
//
// usage: node open_in_browser.mjs MODULES CHROMIUM (speedscope|dhat) PAGE FILE...
//
// MODULES: the folder node_modules with playwright-core. speedscope: the text of the page, and what the app exports again: its
// own copy of what it has read, in full. dhat: the text of the page.
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
    await page.goto(pathToFileURL(page_path).href);
    found.push({ ...(await { speedscope, dhat }[tool](page, file)), errors });
    await page.close();
  }
  console.log(JSON.stringify(found));
} finally {
  await browser.close();
}
