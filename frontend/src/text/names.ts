/**
 * Names of the program made safe to show: characters without a glyph of their own become escapes, as in Python's reports.
 *
 * Model: a name may contain anything. A direction mark would turn around the text behind it, a control character or a lone
 * surrogate would not be seen, and odd spaces would look like " ". All of these become \x1b, \u202e or \U000e0001.
 */

const UNSEEN = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu;
const PLAIN = /^[\x20-\x7e]*$/;

export function shown(name: string): string {
    return PLAIN.test(name) ? name : name.replace(UNSEEN, escaped);
}

const SHORT: Readonly<Record<string, string>> = { "\t": "\\t", "\n": "\\n", "\r": "\\r" };

function escaped(char: string): string {
    const short = SHORT[char];
    if (short !== undefined) {
        return short;
    }
    const code = char.codePointAt(0)!;
    const digits = code.toString(16);
    return code < 0x100
        ? `\\x${digits.padStart(2, "0")}`
        : code < 0x10000
          ? `\\u${digits.padStart(4, "0")}`
          : `\\U${digits.padStart(8, "0")}`;
}

/** A name as a string of JSON, in which nothing is unseen either. */
export function quoted(name: string): string {
    const units = (char: string) => char.replace(/[\s\S]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
    return JSON.stringify(name).replace(UNSEEN, units);
}

/** A line of source: its tabs are spaces, and anything else unseen is an escape. */
export function shownSource(line: string): string {
    return shown(line.replace(/\t/g, "        "));
}

/** The last two parts of a path. */
export function shortPath(path: string): string {
    const parts = path.split("/");
    return parts.length > 3 ? `…/${parts.slice(-2).join("/")}` : path;
}
