/**
 * The dialog that lists the keys.
 *
 * Model: keys of one letter can be switched off here, for people whose tools type letters on their own.
 */

import { button, checkbox, element } from "./dom.ts";

const KEYS: readonly [string, string][] = [
    ["← → ↑ ↓", "select the box beside, above or below"],
    ["Enter, click", "zoom into the box"],
    ["Escape, Backspace", "zoom out by one box"],
    ["0, Home", "zoom out to everything"],
    ["/", "search: a part of a name, or /regular expression/"],
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

export class Help {
    readonly element: HTMLDialogElement;
    lettersOn = true;

    constructor() {
        const rows = KEYS.map(([keys, words]) =>
            element("tr", {}, element("th", { attributes: { scope: "row" } }, keys), element("td", {}, words)),
        );
        const letters = checkbox("Keys of one character are on", (on) => {
            this.lettersOn = on;
        });
        letters.show(true);
        this.element = element(
            "dialog",
            { class: "help", attributes: { "aria-labelledby": "help-name" } },
            element("h2", { id: "help-name" }, "Keys"),
            element("table", {}, element("tbody", {}, ...rows)),
            letters.element,
            button("Close", () => this.element.close()),
        );
    }

    open(): void {
        if (!this.element.open) {
            this.element.showModal();
        }
    }
}
