/** What keys do anywhere on the page; those of the canvas and of the tree are with them. */

import { measuresOf } from "../model/figures.ts";
import type { Flame } from "./flame.ts";
import type { Update } from "./panel.ts";
import type { View } from "./work.ts";

export type Actions = Record<string, () => void>;

/** In all sections. */
export function figureActions({ state, dataset }: View, update: Update): Actions {
    const measures = measuresOf(dataset.meta);
    const next = measures[(measures.indexOf(state.measure) + 1) % measures.length]!;
    return {
        s: () => update({ unit: "size" }),
        b: () => update({ unit: "count" }),
        m: () => update({ measure: next }),
    };
}

/** In the section with the flame graph. */
export function graphActions({ state, ownFirst, hasOwn }: View, flame: Flame, update: Update): Actions {
    const outwards = () => flame.zoomOut();
    const everything = () => update({ zoom: "0" }, true);
    return {
        Escape: outwards,
        Backspace: outwards,
        "0": everything,
        Home: everything,
        n: () => flame.canvas.moveToFound(1),
        N: () => flame.canvas.moveToFound(-1),
        l: () => update({ by: state.by === "line" ? "function" : "line" }),
        o: () => hasOwn && update({ ownFirst: ownFirst ? "off" : "on" }),
        i: () => update({ inverted: !state.inverted, zoom: "0", selected: "" }),
        f: () => update({ fromBottom: !state.fromBottom }),
    };
}
