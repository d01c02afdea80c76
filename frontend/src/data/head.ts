/**
 * What the page's script elements hold: the head, which says what the page shows, and the datasets, each inflated when chosen.
 *
 * Model: the types are those that Python writes (render/html). The elements are found by their ids, "head" and "data-N".
 */

import { bytesOfBase64, type ColumnPlaces, inflate, unpack } from "./decode.ts";

export type Section = "summary" | "flame" | "table" | "timeline" | "source" | "processes";

export interface Head {
    schema: number;
    version: string;
    title: string;
    created: number; // seconds since 1970
    sections: Section[];
    datasets: DatasetName[];
    start?: { measure: string; by: string }; // what is shown first
    links?: PageLink[]; // to other pages of the same service
}

export interface PageLink {
    text: string;
    href: string; // "?…"; no other is shown
    current?: boolean;
}

export interface DatasetName {
    name: string;
    detail: string;
    parent: number | null;
}

/** Names of figures, as in the columns; null: not known. */
export type Totals = Record<string, number | null>;

export interface State {
    label: string;
    time: number | null; // seconds
    totals: Totals;
}

export interface SourceFile {
    file: number;
    text: string;
    note: string;
}

export interface Process {
    dataset: number | null;
    pid: number | null;
    name: string;
    command: string;
    end: string;
    size: number | null;
    peak: number | null;
    depth: number;
}

export interface Meta {
    facts: [string, string][];
    losses: string[];
    estimated: boolean;
    traceback_limit?: number; // frames of a traceback that were kept at most; 0: not known
    peak_known: boolean;
    churn_known: boolean;
    is_diff: boolean;
    states: State[];
    merged: { percent: number; size?: number; nodes: number }; // below a share of each figure, or below a size in bytes
    strings: string[];
    origins: string[];
    sources: SourceFile[];
    no_source: string;
    timeline: { ended: string; events: [number, string][] } | null;
    processes: Process[] | null;
    columns: ColumnPlaces;
}

export const SCHEMA = 1;

export function readHead(page: Document): Head {
    const head = JSON.parse(textOf(page, "head")) as Head;
    if (head.schema !== SCHEMA) {
        throw new Error(`this page has data of schema ${head.schema}, and its script reads schema ${SCHEMA}`);
    }
    return head;
}

/** The dataset's facts and its bytes. The element's text is dropped: a large one would be kept twice. */
export async function readDataset(page: Document, index: number): Promise<{ meta: Meta; bytes: Uint8Array }> {
    const inflated = await inflate(bytesOfBase64(textOf(page, `data-${index}`).trim()));
    const { json, bytes } = unpack(inflated);
    return { meta: json as Meta, bytes };
}

function textOf(page: Document, id: string): string {
    const text = page.getElementById(id)?.textContent;
    if (!text) {
        throw new Error(`this page has no element "${id}": it is cut off`);
    }
    return text;
}
