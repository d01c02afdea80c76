/**
 * What the page shows, and how a link says it.
 *
 * Model: the state is one object of plain values, and everything on the page follows from it and the data. The part behind "#"
 * has each value that is not its default, so a link restores the view. Values from a link may be anything: one that is not
 * allowed is left at its default.
 */

import type { Section } from "../data/head.ts";
import type { Measure, Shows, Unit } from "../model/figures.ts";
import { ROW_KEYS, type RowKey } from "../model/groups.ts";
import type { MergeBy } from "../model/merged.ts";

export type Colour = "auto" | "origin" | "change";
/** auto: what the data suggests. */
export type Auto = "auto" | "on" | "off";
export type Theme = "auto" | "light" | "dark";

export interface ViewState {
    section: Section | "first";
    dataset: number;
    measure: Measure;
    unit: Unit;
    by: MergeBy;
    ownFirst: Auto;
    inverted: boolean;
    fromBottom: boolean;
    colour: Colour;
    shows: Shows;
    before: number; // a state; -1: the first
    after: number; // a state; -1: the last
    zoom: string; // an address: see Graph
    selected: string; // "": nothing
    query: string;
    rows: RowKey;
    sort: string; // "MEASURE.own", "change.total" …; "": own figures of the measure
    ascending: boolean;
    file: number; // -1: the one with most
    line: number;
    lineTotals: Auto;
    onlyMemory: boolean;
    theme: Theme;
}

export const SECTIONS: readonly Section[] = ["summary", "flame", "table", "source", "processes", "timeline"];
const COLUMN = /^(name|place|((live|peak|allocated|freed|change)\.(own|total)))?$/;

type Field<Value> = [key: string, start: Value, parse: (text: string) => Value | undefined];

const oneOf =
    <Value extends string>(...allowed: readonly Value[]) =>
    (text: string) =>
        allowed.find((value) => value === text);
const flag = (text: string) => (text === "1" ? true : text === "0" ? false : undefined);
const number = (text: string) => (/^\d{1,9}$/.test(text) ? Number(text) : undefined);
const text = (value: string) => value;

const FIELDS: { readonly [Name in keyof ViewState]: Field<ViewState[Name]> } = {
    section: ["view", "first", oneOf<Section | "first">(...SECTIONS)],
    dataset: ["data", 0, number],
    measure: ["measure", "live", oneOf<Measure>("live", "peak", "allocated", "freed")],
    unit: ["unit", "size", oneOf<Unit>("size", "count")],
    by: ["by", "function", oneOf<MergeBy>("function", "line")],
    ownFirst: ["own", "auto", oneOf<Auto>("auto", "on", "off")],
    inverted: ["inverted", false, flag],
    fromBottom: ["flame", false, flag],
    colour: ["colour", "auto", oneOf<Colour>("auto", "origin", "change")],
    shows: ["shows", "newer", oneOf<Shows>("newer", "gone", "grown")],
    before: ["from", -1, number],
    after: ["to", -1, number],
    zoom: ["zoom", "0", text],
    selected: ["box", "", text],
    query: ["find", "", text],
    rows: ["rows", "function", oneOf<RowKey>(...ROW_KEYS)],
    sort: ["sort", "", (value) => (COLUMN.test(value) ? value : undefined)],
    ascending: ["ascending", false, flag],
    file: ["file", -1, number],
    line: ["line", 0, number],
    lineTotals: ["totals", "auto", oneOf<Auto>("auto", "on", "off")],
    onlyMemory: ["memory", false, flag],
    theme: ["theme", "auto", oneOf<Theme>("auto", "light", "dark")],
};
const NAMES = Object.keys(FIELDS) as (keyof ViewState)[];

/** The view that a page begins with. first: what the page's maker chose to show first. */
export function startState(first: Partial<ViewState> = {}): ViewState {
    const state = Object.fromEntries(NAMES.map((name) => [name, FIELDS[name][1]]));
    return { ...(state as unknown as ViewState), ...first };
}

/** "#…", or "" for the view that the page begins with. */
export function hashOf(state: ViewState, start: ViewState): string {
    const parts = new URLSearchParams();
    for (const name of NAMES) {
        const value = state[name];
        if (value !== start[name]) {
            parts.set(FIELDS[name][0], typeof value === "boolean" ? String(Number(value)) : wellFormed(String(value)));
        }
    }
    const joined = parts.toString();
    return joined === "" ? "" : `#${joined}`;
}

export function stateOfHash(hash: string, start: ViewState): ViewState {
    const parts = new URLSearchParams(hash.replace(/^#/, ""));
    const state = { ...start };
    for (const name of NAMES) {
        const [key, , parse] = FIELDS[name];
        const given = parts.get(key);
        const value = given === null ? undefined : parse(given);
        if (value !== undefined) {
            Object.assign(state, { [name]: value });
        }
    }
    return state;
}

/** A link cannot hold half of a pair of surrogates. */
function wellFormed(value: string): string {
    return value.replace(/\p{Cs}/gu, "\ufffd");
}
