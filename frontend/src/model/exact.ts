/**
 * Searches for exactly one function, line, file, module or package, as links from rows make them.
 *
 * Model: such a search is pairs of a word and a value, function:"NAME" file:"PATH" line:N, and a frame is found if all of them are
 * its own, letter by letter. A text is as in JSON, so a name may contain anything. The line is the one at which the function
 * begins if a function is asked for, and else the one that runs. Two rows never have the same search, so what it finds is the
 * row's total.
 */

import { type Dataset, SMALLER_FRAME } from "../data/dataset.ts";
import { quoted } from "../text/names.ts";
import type { Rows } from "./groups.ts";

export interface Wanted {
    function?: string;
    file?: string;
    line?: number;
    module?: string;
    package?: string;
    code?: string; // one of the origins
}

const PAIR = /(function|file|line|module|package|code):("(?:[^"\\]|\\.)*"|\d{1,9})(?:\s+|$)/y;

/** null: the search is a text, not pairs. */
export function wantedOf(query: string): Wanted | null {
    const wanted: Record<string, string | number> = {};
    const pairs = query.trim();
    PAIR.lastIndex = 0;
    while (PAIR.lastIndex < pairs.length) {
        const [, word, text] = PAIR.exec(pairs) ?? [];
        const value = text === undefined ? undefined : parsed(text);
        if (word === undefined || typeof value !== (word === "line" ? "number" : "string") || word in wanted) {
            return null;
        }
        wanted[word] = value!;
    }
    const found = wanted as Wanted;
    return pairs === "" || (found.line !== undefined && found.file === undefined) ? null : found;
}

function parsed(text: string): string | number | undefined {
    try {
        return JSON.parse(text) as string | number;
    } catch {
        return undefined; // a \ that begins no escape of JSON, or a number such as 007
    }
}

export function queryOf(wanted: Wanted): string {
    return Object.entries(wanted)
        .map(([word, value]) => `${word}:${typeof value === "number" ? value : quoted(value)}`)
        .join(" ");
}

/** The search for a row of a table. */
export function wantedOfRow(dataset: Dataset, { key, sample }: Rows, row: number): Wanted {
    const frame = sample[row]!;
    const called = dataset.frameFunction[frame]!;
    const file = dataset.functionFile[called]!;
    const path = dataset.string(dataset.fileName[file]!);
    switch (key) {
        case "function":
            return { function: dataset.string(dataset.functionName[called]!), file: path, line: dataset.functionLine[called]! };
        case "line":
            return { file: path, line: dataset.frameLine[frame]! };
        case "file":
            return { file: path };
        case "module":
            return { module: dataset.string(dataset.fileModule[file]!) };
        default:
            return packageOf(dataset, file);
    }
}

/** Whose code it is is said if there is a package of this name of others as well. */
function packageOf(dataset: Dataset, file: number): Wanted {
    const name = dataset.filePackage[file]!;
    const origin = dataset.fileOrigin[file]!;
    const isOther = (other: number, index: number) => other === name && dataset.fileOrigin[index] !== origin;
    const wanted = { package: dataset.string(name) };
    return dataset.filePackage.some(isOther) ? { ...wanted, code: dataset.meta.origins[origin] ?? "" } : wanted;
}

/** 1 for each frame that is found. */
export function framesWanted(dataset: Dataset, wanted: Wanted): Uint8Array {
    const files = dataset.fileName.map((_, file) => Number(isFile(dataset, file, wanted)));
    const ofFunctions = dataset.functionName.map((_, id) => Number(isFunction(dataset, id, wanted, files)));
    const byLine = wanted.line !== undefined && wanted.function === undefined;
    const found = new Uint8Array(dataset.frames);
    for (let frame = SMALLER_FRAME + 1; frame < found.length; frame++) {
        const isLine = !byLine || dataset.frameLine[frame] === wanted.line;
        found[frame] = isLine ? ofFunctions[dataset.frameFunction[frame]!]! : 0;
    }
    return found;
}

function isFile(dataset: Dataset, file: number, wanted: Wanted): boolean {
    const is = (text: string | undefined, id: number) => text === undefined || text === dataset.string(id);
    return (
        is(wanted.file, dataset.fileName[file]!) &&
        is(wanted.module, dataset.fileModule[file]!) &&
        is(wanted.package, dataset.filePackage[file]!) &&
        (wanted.code === undefined || wanted.code === dataset.meta.origins[dataset.fileOrigin[file]!])
    );
}

function isFunction(dataset: Dataset, id: number, wanted: Wanted, files: Uint32Array): boolean {
    if (wanted.function === undefined) {
        return files[dataset.functionFile[id]!] === 1;
    }
    const isName = wanted.function === dataset.string(dataset.functionName[id]!);
    const isLine = wanted.line === undefined || wanted.line === dataset.functionLine[id];
    return isName && isLine && files[dataset.functionFile[id]!] === 1;
}
