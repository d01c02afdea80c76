/** What parts of the page have in common: an element, and a function that shows a view in it. */

import type { ViewState } from "./state.ts";
import type { View } from "./work.ts";

export interface Panel {
    readonly element: HTMLElement;
    show(view: View): void;
}

/**
 * Change what the page shows. A change that the browser's back button should undo is a step: it makes an entry in the history.
 */
export type Update = (changes: Partial<ViewState>, step?: boolean) => void;

/** A link to the file and line, if its source is in the page; else plain text. */
export type LinkTo = (file: number, line: number, text: string) => HTMLElement;
