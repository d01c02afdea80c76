/**
 * The controls of the graph: what is measured, how frames are merged, and the search.
 *
 * Model: a control shows a value of the state and asks for another one; it keeps nothing. Controls without a choice are hidden.
 */

import { MEASURE_WORDS, type Measure, measuresOf, type Shows, type Unit } from "../model/figures.ts";
import type { MergeBy } from "../model/merged.ts";
import { checkbox, choice, element, labelled } from "./dom.ts";
import type { Panel, Update } from "./panel.ts";
import type { Colour } from "./state.ts";
import type { View } from "./work.ts";

export function measureControls(update: Update): { elements: HTMLElement[]; show(view: View): void } {
    const measure = choice<Measure>("Memory", (value) => update({ measure: value }));
    const unit = choice<Unit>("In", (value) => update({ unit: value }));
    return {
        elements: [measure.element, unit.element],
        show({ state, dataset }) {
            measure.show(
                measuresOf(dataset.meta).map((name) => [name, MEASURE_WORDS[name]]),
                state.measure,
            );
            unit.show(
                [
                    ["size", "bytes"],
                    ["count", "blocks"],
                ],
                state.unit,
            );
        },
    };
}

const BY: readonly [MergeBy, string][] = [
    ["function", "by function"],
    ["line", "by line"],
];
const COLOURS: readonly [Colour, string][] = [
    ["origin", "by package"],
    ["change", "by change"],
];

export function graphControls(update: Update): Panel {
    const measures = measureControls(update);
    const by = choice<MergeBy>("Boxes", (value) => update({ by: value }));
    const shows = choice<Shows>("Widths", (value) => update({ shows: value, zoom: "0", selected: "" }));
    const colour = choice<Colour>("Colours", (value) => update({ colour: value }));
    const switches = graphSwitches(update);
    const choices = [...measures.elements, by.element, shows.element, colour.element];
    return {
        element: element(
            "div",
            { class: "toolbar", attributes: { role: "group", "aria-label": "View" } },
            ...choices,
            ...switches.elements,
        ),
        show(view) {
            const { state, compared, byChange } = view;
            measures.show(view);
            by.show(BY, state.by);
            shows.show(compared ? showsWords(view) : [], state.shows);
            colour.show(compared ? COLOURS : [], byChange ? "change" : "origin");
            switches.show(view);
        },
    };
}

function graphSwitches(update: Update): { elements: HTMLElement[]; show(view: View): void } {
    const own = checkbox(
        "Own code first",
        (on) => update({ ownFirst: on ? "on" : "off" }),
        "Runs of frames that are not the program's own are one box, named after the package (o)",
    );
    const inverted = checkbox(
        "Inverted",
        (on) => update({ inverted: on, zoom: "0", selected: "" }),
        "What allocates comes first, then its callers (i)",
    );
    const bottom = checkbox("Root at bottom", (on) => update({ fromBottom: on }), "Flames instead of icicles (f)");
    return {
        elements: [own.element, inverted.element, bottom.element],
        show({ state, ownFirst, hasOwn }) {
            own.show(ownFirst, hasOwn);
            inverted.show(state.inverted);
            bottom.show(state.fromBottom);
        },
    };
}

function showsWords({ dataset }: View): [Shows, string][] {
    return [
        ["newer", dataset.meta.is_diff ? "the newer one" : "end of the range"],
        ["grown", "only what grew"],
        ["gone", "what shrank or is gone"],
    ];
}

export interface SearchField extends Panel {
    focus(): void;
}

/** id: of the input. leave: what Enter and Escape do at the end. */
export function searchField(update: Update, id: string, leave: () => void): SearchField {
    const attributes = { ...SEARCH, "aria-describedby": `${id}-result` };
    const input = element("input", { id, attributes, on: { input: () => update({ query: input.value }) } });
    input.addEventListener("keydown", (event) => {
        event.stopPropagation(); // letters are no commands here
        if (event.key !== "Escape" && event.key !== "Enter") {
            return;
        }
        event.preventDefault();
        if (event.key === "Enter" || input.value === "") {
            leave();
        } else {
            input.value = "";
            update({ query: "" });
        }
    });
    const field = labelled("Search", input);
    field.classList.add("search");
    return {
        element: field,
        focus() {
            input.focus();
            input.select();
        },
        show({ state }) {
            if (document.activeElement !== input && input.value !== state.query) {
                input.value = state.query;
            }
        },
    };
}

const SEARCH = {
    type: "search",
    placeholder: "part of a name, or /regular expression/",
    autocomplete: "off",
    spellcheck: "false",
    "aria-keyshortcuts": "/",
};
