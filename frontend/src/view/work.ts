/**
 * What is computed from the data for a state: kept as long as the parts of the state that it depends on are the same.
 *
 * Model: a view is a dataset, a selection of figures, a merged tree, a graph and a search. Each is made when the state asks for
 * another one. Trees are kept for a dataset, because they cost most; of graphs and searches the last one is kept.
 */

import { Dataset } from "../data/dataset.ts";
import { type Head, readDataset } from "../data/head.ts";
import { CallGraph } from "../model/call_graph.ts";
import { framesWanted, wantedOf } from "../model/exact.ts";
import { isCompared, measuresOf, type Selection } from "../model/figures.ts";
import type { Graph } from "../model/graph.ts";
import { InvertedGraph } from "../model/inverted_graph.ts";
import { hasOwnCode, type MergedTree, mergeTree } from "../model/merged.ts";
import { asksForLines, framesFound, type Matcher, matcherOf, nodesFound } from "../model/search.ts";
import type { ViewState } from "./state.ts";

export interface Search {
    isOn: boolean; // false: no search, or one that is no regular expression
    matches: Matcher | null; // null: it is no search for a text
    error: string;
    frames: Uint8Array; // by frame: 1 if it was found
    nodes: Uint8Array; // by node of the merged tree
}

export interface View {
    state: ViewState; // with values that the dataset can show
    head: Head;
    dataset: Dataset;
    selection: Selection;
    hasOwn: boolean;
    ownFirst: boolean;
    compared: boolean;
    byChange: boolean; // the colours
    graph: Graph;
    search: Search;
}

export class Work {
    private readonly datasets = new Map<number, Dataset>();
    private readonly trees = new Map<string, MergedTree>();
    private readonly own = new Map<number, boolean>();
    private graph: [string, Graph] | null = null;
    private search: [string, MergedTree, Search] | null = null;

    constructor(private readonly head: Head) {}

    async load(index: number): Promise<Dataset> {
        let dataset = this.datasets.get(index);
        if (dataset === undefined) {
            const { meta, bytes } = await readDataset(document, index);
            dataset = new Dataset(meta, bytes);
            this.datasets.set(index, dataset);
        }
        return dataset;
    }

    isLoaded(index: number): boolean {
        return this.datasets.has(index);
    }

    /** For a dataset that is loaded. */
    view(asked: ViewState): View {
        const dataset = this.datasets.get(asked.dataset)!;
        const state = possible(asked, dataset);
        const selection: Selection = {
            measure: state.measure,
            unit: state.unit,
            before: state.before,
            after: state.after,
            shows: state.shows,
        };
        const hasOwn = this.hasOwn(state.dataset, dataset);
        const ownFirst = hasOwn && state.ownFirst !== "off";
        const graph = this.graphOf(state, dataset, selection, ownFirst);
        const compared = isCompared(selection);
        return {
            state,
            head: this.head,
            dataset,
            selection,
            hasOwn,
            ownFirst,
            compared,
            byChange: compared && (state.colour === "change" || (state.colour === "auto" && wantsChange(asked, dataset))),
            graph,
            search: this.searchOf(state.query, graph.tree),
        };
    }

    private hasOwn(index: number, dataset: Dataset): boolean {
        const known = this.own.get(index) ?? hasOwnCode(dataset);
        this.own.set(index, known);
        return known;
    }

    private graphOf(state: ViewState, dataset: Dataset, selection: Selection, ownFirst: boolean): Graph {
        const treeKey = `${state.dataset} ${state.by} ${ownFirst}`;
        const key = `${treeKey} ${state.inverted} ${Object.values(selection)}`;
        if (this.graph?.[0] === key) {
            return this.graph[1];
        }
        const tree = this.trees.get(treeKey) ?? mergeTree(dataset, state.by, ownFirst);
        this.trees.set(treeKey, tree);
        const graph = state.inverted ? new InvertedGraph(tree, selection) : new CallGraph(tree, selection);
        this.graph = [key, graph];
        return graph;
    }

    private searchOf(query: string, tree: MergedTree): Search {
        if (this.search?.[0] !== query || this.search[1] !== tree) {
            this.search = [query, tree, makeSearch(query, tree)];
        }
        return this.search[2];
    }
}

const NONE = new Uint8Array(0);

function makeSearch(query: string, tree: MergedTree): Search {
    const off = { isOn: false, matches: null, error: "", frames: NONE, nodes: NONE };
    const wanted = wantedOf(query);
    let matches: Matcher | null = null;
    try {
        matches = wanted === null ? matcherOf(query) : null;
    } catch (error) {
        return { ...off, error: (error as Error).message };
    }
    if (wanted === null && matches === null) {
        return off;
    }
    const { dataset } = tree;
    const frames = wanted === null ? framesFound(dataset, matches!, asksForLines(query)) : framesWanted(dataset, wanted);
    return { isOn: true, matches, error: "", frames, nodes: nodesFound(tree, frames) };
}

/** The state with what the dataset does not have replaced: a measure that is not known, a moment that is not there. */
function possible(state: ViewState, { meta }: Dataset): ViewState {
    const last = meta.states.length - 1;
    const measures = measuresOf(meta);
    const after = state.after < 0 ? last : Math.min(state.after, last);
    const before = state.before < 0 ? 0 : Math.min(state.before, after);
    return {
        ...state,
        after,
        before,
        measure: measures.includes(state.measure) ? state.measure : "live",
        shows: before === after ? "newer" : state.shows,
    };
}

/** Is it the change that the user looks for? Of a recording, once a range is selected. */
function wantsChange(asked: ViewState, dataset: Dataset): boolean {
    return dataset.meta.is_diff || asked.before >= 0 || asked.after >= 0 || asked.shows !== "newer";
}
