/** The page's one script: reads the head and shows the page; what goes wrong before that is said on the page. */

import { readHead } from "./data/head.ts";
import { App } from "./view/app.ts";
import { element } from "./view/dom.ts";

const root = document.getElementById("app")!;
try {
    if (typeof DecompressionStream === "undefined") {
        throw new Error("this browser is too old: it has no DecompressionStream (Chrome 80, Firefox 113, Safari 16.4 have it)");
    }
    new App(readHead(document), root).begin();
} catch (error) {
    root.append(element("p", { attributes: { role: "alert" } }, `This page cannot be shown: ${(error as Error).message}`));
}
