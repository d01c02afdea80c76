// Opens heap profiles in VS Code's own viewer of them, and prints the rows of its table, all expanded, as JSON.
//
// usage: node open_in_vscode.mjs MODULES CHROMIUM EXTENSION FOLDER FILE...
//
// MODULES: the folder node_modules with playwright-core. EXTENSION: the folder of the extension ms-vscode.vscode-js-profile-table,
// which is in every VS Code. FOLDER: for the pages that it makes.
//
// The extension runs here as it is in VS Code. Of VS Code's own modules it needs an editor for a kind of files to be registered,
// and files to be read; that is what the object `vscode` is. A row is [level, function, place, own size, total size], as shown.
import { readFile, writeFile } from "node:fs/promises";
import Module, { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, executablePath, extension, folder, ...files] = process.argv.slice(2);
const { chromium } = createRequire(modules + "/")("playwright-core");

const editors = new Map();
const nothing = () => undefined;
const file = (path) => ({ scheme: "file", path, fsPath: path, toString: () => pathToFileURL(path).href });
const vscode = {
  Uri: { file, joinPath: (base, ...parts) => file(join(base.fsPath, ...parts)) },
  EventEmitter: class {
    event = nothing;
    fire = nothing;
  },
  window: { registerCustomEditorProvider: (kind, editor) => editors.set(kind, editor) },
  workspace: { fs: { readFile: (uri) => readFile(uri.fsPath) }, registerTextDocumentContentProvider: nothing },
  languages: { registerCodeLensProvider: nothing },
  commands: { registerCommand: nothing, executeCommand: nothing },
};

const load = Module._load;
Module._load = (name, ...rest) => (name === "vscode" ? vscode : load(name, ...rest));
createRequire(extension + "/")("./out/extension.js").activate({ subscriptions: [], extensionUri: file(extension) });

async function page_of(path) {
  const editor = editors.get("jsProfileVisualizer.heapprofile.table");
  const webview = { onDidReceiveMessage: nothing, asWebviewUri: (uri) => uri };
  await editor.resolveCustomEditor(await editor.openCustomDocument(file(path)), { webview });
  return webview.html;
}

// In the page.
async function expanded_rows() {
  const rows = () => [...document.querySelectorAll("[role=treeitem]")];
  const closed = () => rows().filter((row) => row.ariaExpanded === "false" && row.style.cursor === "pointer");
  const drawn = () => new Promise((resolve) => setTimeout(() => requestAnimationFrame(resolve)));
  for (let found = closed(); found.length; found = closed()) {
    for (const row of found) row.click();
    await drawn();
  }
  return rows().map((row) => {
    const [own, total, location] = row.children;
    const [, name, place] = [...location.children].map((part) => part.innerText);
    return [Number(row.ariaLevel), name, place, own.innerText, total.innerText];
  });
}

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  const found = [];
  for (const [number, path] of files.entries()) {
    const page = await browser.newPage({ viewport: { width: 1000, height: 6000 } });
    const errors = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    await page.addInitScript("globalThis.acquireVsCodeApi = () => ({ postMessage() {}, getState() {}, setState() {} })");
    const html = join(folder, `vscode-${number}.html`);
    await writeFile(html, await page_of(path));
    await page.goto(pathToFileURL(html).href);
    await page.locator("[role=treeitem]").first().waitFor({ timeout: 30000 });
    found.push({ rows: await page.evaluate(expanded_rows), errors });
    await page.close();
  }
  console.log(JSON.stringify(found));
} finally {
  await browser.close();
}
