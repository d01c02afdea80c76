/** Sentences about a data set that several sections say. */

import type { Meta } from "../data/head.ts";
import { counted, formatSize } from "../text/format.ts";

/** What the page's maker merged because it is small; "" if it is nothing. */
export function mergedNote({ merged }: Meta): string {
    if (merged.nodes === 0) {
        return "";
    }
    const least = merged.size ? formatSize(merged.size) : `${merged.percent}%`;
    return `${counted(merged.nodes, "place")} below ${least} ${merged.nodes === 1 ? "is" : "are"} merged into boxes named "smaller".`;
}
