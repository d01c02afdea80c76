/**
 * The dialog that lists the keys, and what can be searched for.
 *
 * Model: keys of one letter can be switched off here, for people whose tools type letters on their own.
 */

import { button, checkbox, element } from "./dom.ts";

const KEYS: readonly [string, string][] = [
    ["← → ↑ ↓", "select the box beside, above or below"],
    ["Enter, click", "zoom into the box"],
    ["Escape, Backspace", "zoom out by one box"],
    ["0, Home", "zoom out to everything"],
    ["/", "search"],
    ["n, N", "next or previous box that was found"],
    ["s, b", "bytes or blocks"],
    ["m", "next measure: live, at the peak, allocated, freed"],
    ["l", "merge frames by function or by line"],
    ["o", "own code first"],
    ["i", "inverted: what allocates first, before its callers"],
    ["f", "root at the bottom or at the top"],
    ["t", "light or dark"],
    ["1 … 6", "section"],
    ["?", "this list"],
];

const SEARCHES: readonly [string, string][] = [
    ["part of a name", "functions, files, modules and packages with it"],
    ["/regular expression/", "those that it matches"],
    ['function:"NAME" file:"PATH" line:N', "exactly this function, which begins at the line"],
    ['file:"PATH" line:N', "exactly this line"],
    ['file:"PATH"', "exactly this file"],
    ['module:"NAME"', "exactly this module"],
    ['package:"NAME"', "exactly this package"],
];

export class Help {
    readonly element: HTMLDialogElement;
    lettersOn = true;

    constructor() {
        const letters = checkbox("Keys of one character are on", (on) => {
            this.lettersOn = on;
        });
        letters.show(true);
        this.element = element(
            "dialog",
            { class: "help", attributes: { "aria-labelledby": "help-name" } },
            element("h2", { id: "help-name" }, "Keys"),
            tableOf(KEYS),
            letters.element,
            element("h2", {}, "Search"),
            tableOf(SEARCHES),
            button("Close", () => this.element.close()),
        );
    }

    open(): void {
        if (!this.element.open) {
            this.element.showModal();
        }
    }
}

function tableOf(rows: readonly [string, string][]): HTMLElement {
    const row = ([what, words]: [string, string]) =>
        element("tr", {}, element("th", { attributes: { scope: "row" } }, what), element("td", {}, words));
    return element("table", {}, element("tbody", {}, ...rows.map(row)));
}
