/**
 * The call tree with its frames merged: by function or by line, and with runs of other people's code as one box.
 *
 * Model: each node of the dataset belongs to one node of the merged tree, and has the same merged node as a sibling with an
 * equal key. The key of a frame is its function or the frame itself. With "own code first" a frame that is not of the program's
 * own code has the key of its package; below such a node, frames that are not own either belong to the node itself. So a run of
 * them is one box, named after the package that own code called. As a parent comes before its children, one pass in order with
 * a hash table of (merged parent, key) makes the tree; figures are added up by node afterwards, for each column that is shown.
 */

import { type Children, childrenOf, type Dataset, ROOT, ROOT_FRAME, SMALLER_FRAME, totalsOf } from "../data/dataset.ts";
import { type Measure, ownFigures, type Selection, type Unit, widthFigures } from "./figures.ts";

export type MergeBy = "function" | "line";

const ROOT_KEY = 0;
const SMALLER_KEY = 1;
const FIRST_KEY = 2; // of functions or frames; keys of packages follow
const KEPT = 32; // columns

export class MergedTree {
    private readonly kept = new Map<string, Float64Array>();
    private below: Children | null = null;

    constructor(
        readonly dataset: Dataset,
        readonly by: MergeBy,
        readonly nodeOf: Uint32Array, // by the dataset's node
        readonly parent: Uint32Array,
        readonly key: Uint32Array,
        readonly sample: Uint32Array, // the first of the dataset's nodes
        private readonly firstPackage: number, // keys from here on are of packages
    ) {}

    get size(): number {
        return this.parent.length;
    }

    /** Does the node stand for a run of frames that are not own? */
    isPackage(node: number): boolean {
        return this.key[node]! >= this.firstPackage;
    }

    isSmaller(node: number): boolean {
        return this.key[node] === SMALLER_KEY;
    }

    frameOf(node: number): number {
        return this.dataset.frame[this.sample[node]!]!;
    }

    children(): Children {
        this.below ??= childrenOf(this.parent);
        return this.below;
    }

    /** Own figures by merged node. Not to be changed. */
    own(state: number, measure: Measure, unit: Unit): Float64Array {
        return this.keep(`own ${state} ${measure} ${unit}`, () =>
            this.sumByNode(ownFigures(this.dataset, state, measure, unit)),
        );
    }

    /** Total figures by merged node. Not to be changed. */
    total(state: number, measure: Measure, unit: Unit): Float64Array {
        return this.keep(`total ${state} ${measure} ${unit}`, () => totalsOf(this.parent, this.own(state, measure, unit)));
    }

    /** What the widths of boxes add up, by merged node. Not to be changed. */
    ownWidth(selection: Selection): Float64Array {
        const { measure, unit, before, after, shows } = selection;
        return this.keep(`width ${shows} ${before} ${after} ${measure} ${unit}`, () =>
            this.sumByNode(widthFigures(this.dataset, selection)),
        );
    }

    private sumByNode(column: Float64Array): Float64Array {
        if (this.nodeOf.length === this.size) {
            return column;
        }
        const sums = new Float64Array(this.size);
        for (let node = 0; node < column.length; node++) {
            sums[this.nodeOf[node]!]! += column[node]!;
        }
        return sums;
    }

    private keep(name: string, make: () => Float64Array): Float64Array {
        const column = this.kept.get(name) ?? make();
        this.kept.delete(name);
        this.kept.set(name, column);
        if (this.kept.size > KEPT) {
            this.kept.delete(this.kept.keys().next().value!);
        }
        return column;
    }
}

/** Is there code of the program's own? Without it "own code first" would make one box of everything. */
export function hasOwnCode(dataset: Dataset): boolean {
    const own = dataset.meta.origins.indexOf("own");
    for (let frame = SMALLER_FRAME + 1; frame < dataset.frames; frame++) {
        if (originOf(dataset, frame) === own) {
            return true;
        }
    }
    return false;
}

export function originOf(dataset: Dataset, frame: number): number {
    return dataset.fileOrigin[dataset.functionFile[dataset.frameFunction[frame]!]!]!;
}

export function mergeTree(dataset: Dataset, by: MergeBy, ownFirst: boolean): MergedTree {
    const count = by === "line" ? dataset.frames : dataset.functionName.length;
    const firstPackage = FIRST_KEY + count;
    const keys = keysOfFrames(dataset, by, ownFirst ? firstPackage : 0);
    if (by === "line" && !ownFirst) {
        return unmerged(dataset, keys, firstPackage);
    }
    const { parent: parentOf, frame, nodes } = dataset;
    const nodeOf = new Uint32Array(nodes);
    const merged = new Nodes(nodes);
    merged.add(ROOT, ROOT_KEY, ROOT);
    for (let node = 1; node < nodes; node++) {
        const above = nodeOf[parentOf[node]!]!;
        const key = keys[frame[node]!]!;
        const joins = key >= firstPackage && merged.key[above]! >= firstPackage;
        nodeOf[node] = joins ? above : merged.find(above, key, node);
    }
    const { parent, key, sample } = merged.trimmed();
    return new MergedTree(dataset, by, nodeOf, parent, key, sample, firstPackage);
}

function unmerged(dataset: Dataset, keys: Uint32Array, firstPackage: number): MergedTree {
    const same = Uint32Array.from({ length: dataset.nodes }, (_, node) => node);
    const key = dataset.frame.map((frame) => keys[frame]!);
    return new MergedTree(dataset, "line", same, dataset.parent, key, same, firstPackage);
}

/** firstPackage: the key of package 0; 0: frames of packages are not merged. */
function keysOfFrames(dataset: Dataset, by: MergeBy, firstPackage: number): Uint32Array {
    const own = dataset.meta.origins.indexOf("own");
    const keys = new Uint32Array(dataset.frames);
    keys[ROOT_FRAME] = ROOT_KEY;
    keys[SMALLER_FRAME] = SMALLER_KEY;
    for (let frame = SMALLER_FRAME + 1; frame < dataset.frames; frame++) {
        const called = dataset.frameFunction[frame]!;
        const file = dataset.functionFile[called]!;
        const isOwn = firstPackage === 0 || dataset.fileOrigin[file] === own;
        keys[frame] = isOwn ? FIRST_KEY + (by === "line" ? frame : called) : firstPackage + dataset.filePackage[file]!;
    }
    return keys;
}

/** Merged nodes, found by their parent and key in a hash table with open addressing. */
class Nodes {
    readonly parent: Uint32Array;
    readonly key: Uint32Array;
    readonly sample: Uint32Array;
    private count = 0;
    private readonly slots: Uint32Array; // a node + 1; 0: empty
    private readonly mask: number;

    constructor(most: number) {
        const size = 1 << Math.ceil(Math.log2(2 * most + 2));
        this.slots = new Uint32Array(size);
        this.mask = size - 1;
        this.parent = new Uint32Array(most);
        this.key = new Uint32Array(most);
        this.sample = new Uint32Array(most);
    }

    add(parent: number, key: number, sample: number): number {
        this.parent[this.count] = parent;
        this.key[this.count] = key;
        this.sample[this.count] = sample;
        return this.count++;
    }

    find(parent: number, key: number, sample: number): number {
        let hash = Math.imul(parent, 0x9e3779b1) ^ Math.imul(key, 0x85ebca6b);
        hash ^= hash >>> 15;
        for (let slot = hash & this.mask; ; slot = (slot + 1) & this.mask) {
            const node = this.slots[slot]! - 1;
            if (node < 0) {
                this.slots[slot] = this.count + 1;
                return this.add(parent, key, sample);
            }
            if (this.parent[node] === parent && this.key[node] === key) {
                return node;
            }
        }
    }

    trimmed(): { parent: Uint32Array; key: Uint32Array; sample: Uint32Array } {
        const cut = (column: Uint32Array) => column.slice(0, this.count);
        return { parent: cut(this.parent), key: cut(this.key), sample: cut(this.sample) };
    }
}
