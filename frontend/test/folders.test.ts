/** The folders of the sources: each imports only those before it (docs/design/architecture.md has the table). */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const FOLDERS = ["text", "data", "model", "draw", "view"];
const SOURCES = "frontend/src"; // tools/check_frontend.sh runs in the root of the project

test("a folder imports only itself and those before it", () => {
    let imports = 0;
    FOLDERS.forEach((folder, level) => {
        for (const file of readdirSync(`${SOURCES}/${folder}`)) {
            const text = readFileSync(`${SOURCES}/${folder}/${file}`, "utf-8");
            for (const [, path] of text.matchAll(/ from "(.*)";/g)) {
                const target = /^\.\.\/(\w+)\//.exec(path!)?.[1] ?? folder;
                imports++;
                assert.ok(
                    FOLDERS.indexOf(target) >= 0 && FOLDERS.indexOf(target) <= level,
                    `${folder}/${file} imports ${path}`,
                );
                assert.match(path!, /^\.\.?\/.*\.ts$/, "the page needs no package");
            }
        }
    });
    assert.ok(imports > 100);
});

test("every file but those of the two pages is in one of the folders", () => {
    const others = readdirSync(SOURCES).filter((name) => !FOLDERS.includes(name));
    assert.deepEqual(others.sort(), ["app.css", "main.ts", "tests.css", "tests.ts"]);
});
