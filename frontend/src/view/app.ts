/**
 * The page: its frame, its sections, and the one way from a change to what is shown.
 *
 * Model: the state is here and nowhere else. Whoever wants a change calls update(), which makes a new state, writes it into the
 * address and shows it. Panels get a view and show it. A dataset is inflated when it is chosen for the first time.
 */

import type { Head, Section } from "../data/head.ts";
import { formatDate } from "../text/format.ts";
import { shown } from "../text/names.ts";
import { button, choice, element } from "./dom.ts";
import { Flame } from "./flame.ts";
import { Help } from "./help.ts";
import { remember } from "./history.ts";
import { type Actions, figureActions, graphActions } from "./keys.ts";
import type { LinkTo, Panel, Update } from "./panel.ts";
import { Processes } from "./processes.ts";
import { Range } from "./range.ts";
import { Source } from "./source.ts";
import { hashOf, startState, stateOfHash, type ViewState } from "./state.ts";
import { Summary } from "./summary.ts";
import { Table } from "./table.ts";
import { isDark, onDarkness } from "./theme.ts";
import { Timeline } from "./timeline.ts";
import { type View, Work } from "./work.ts";

const SECTION_WORDS: Readonly<Record<Section, string>> = {
    summary: "Summary",
    flame: "Flame graph",
    table: "Table",
    timeline: "Timeline",
    source: "Source",
    processes: "Processes",
};
const AT_A_MOMENT: readonly Section[] = ["timeline", "flame", "table", "source"]; // these show the timeline's range

export class App {
    private readonly work: Work;
    private readonly start: ViewState;
    private state: ViewState;
    private view: View | null = null;
    private loading = 0; // a number for each request, so that only the last one is shown
    private readonly sections: readonly Section[];
    private readonly updates: Update = (changes, step) => this.update(changes, step);
    private readonly tabs = new Map<Section, HTMLAnchorElement>();
    private readonly panels = new Map<Section, Panel>();
    private readonly flame: Flame;
    private readonly table: Table;
    private readonly timeline: Timeline;
    private readonly help = new Help();
    private readonly chooser = choice<string>("Data", (value) => this.choose(Number(value)));
    private readonly theme = button("", () => this.toggleTheme(), { title: "Light or dark (t)" });
    private readonly detail = element("p", { class: "command" });
    private readonly losses = element("aside", {
        class: "losses",
        attributes: { "aria-label": "What is missing from the numbers" },
    });
    private readonly alert = element("p", { class: "empty", attributes: { role: "alert" } });
    private readonly content = element("main", { id: "content" });

    constructor(
        private readonly head: Head,
        private readonly root: HTMLElement,
    ) {
        this.work = new Work(head);
        this.start = firstState(head);
        this.state = this.start;
        this.sections = head.sections;
        const update = this.updates;
        const linkTo: LinkTo = (file, line, text) => this.linkTo(file, line, text);
        this.flame = new Flame(update, linkTo, () => this.help.open());
        this.table = new Table(update, linkTo);
        this.timeline = new Timeline(update);
        const panels: [Section, Panel][] = [
            ["summary", new Summary(update, linkTo)],
            ["flame", this.flame],
            ["table", this.table],
            ["timeline", new Range(update)],
            ["source", new Source(update)],
            ["processes", new Processes(update)],
        ];
        for (const [section, panel] of panels) {
            if (this.sections.includes(section)) {
                this.panels.set(section, panel);
            }
        }
    }

    begin(): void {
        this.root.append(this.banner(), this.losses, this.content, footerOf(this.head), this.help.element);
        this.alert.hidden = true;
        this.content.append(this.alert, this.timeline.element, ...[...this.panels.values()].map(({ element }) => element));
        window.addEventListener("popstate", (event) => this.goTo((event.state as { hash?: string } | null)?.hash));
        window.addEventListener("hashchange", () => this.goTo(location.hash));
        window.addEventListener("keydown", (event) => this.key(event));
        onDarkness(() => this.show());
        this.goTo(location.hash);
    }

    private banner(): HTMLElement {
        const tabs = this.sections.map((section) => {
            const tab = element(
                "a",
                {
                    attributes: { href: `#view=${section}` },
                    on: {
                        click: (event) => {
                            event.preventDefault();
                            this.update({ section }, true);
                        },
                    },
                },
                SECTION_WORDS[section],
            );
            this.tabs.set(section, tab);
            return tab;
        });
        return element(
            "header",
            {},
            element("div", { class: "heading" }, element("h1", {}, shown(this.head.title)), this.chooser.element, this.theme),
            this.detail,
            linksOf(this.head),
            element("nav", { class: "tabs", attributes: { "aria-label": "Sections" } }, ...tabs),
        );
    }

    // --- the state ---

    private update(changes: Partial<ViewState>, step = false): void {
        const from = hashOf(this.state, this.start);
        this.state = { ...this.state, ...changes };
        const hash = hashOf(this.state, this.start);
        if (hash !== from) {
            remember(hash, step);
        }
        this.showOrLoad();
    }

    private goTo(hash: string | undefined): void {
        const state = stateOfHash(hash ?? location.hash, this.start);
        if (hashOf(state, this.start) !== hashOf(this.state, this.start) || this.view === null) {
            this.state = state;
            this.showOrLoad();
        }
    }

    private choose(dataset: number): void {
        this.update({ dataset, zoom: "0", selected: "", file: -1, line: 0, before: -1, after: -1 }, true);
    }

    private toggleTheme(): void {
        this.update({ theme: isDark() ? "light" : "dark" });
    }

    private section(): Section {
        const { section } = this.state;
        return section !== "first" && this.panels.has(section) ? section : this.sections[0]!;
    }

    // --- showing it ---

    private showOrLoad(): void {
        if (this.state.dataset >= this.head.datasets.length) {
            this.state = { ...this.state, dataset: 0 };
        }
        const { dataset } = this.state;
        if (this.work.isLoaded(dataset)) {
            this.show();
            return;
        }
        const request = ++this.loading;
        this.root.setAttribute("aria-busy", "true");
        this.work.load(dataset).then(
            () => request === this.loading && this.show(),
            (error: unknown) => this.fail(error),
        );
    }

    private show(): void {
        if (!this.work.isLoaded(this.state.dataset)) {
            return;
        }
        this.loading++;
        this.alert.hidden = true;
        this.showTheme();
        const view = this.work.view(this.state);
        this.view = view;
        const current = this.section();
        this.panels.forEach((panel, section) => {
            panel.element.hidden = section !== current;
        });
        this.timeline.show(view, current === "timeline");
        this.timeline.element.hidden ||= !AT_A_MOMENT.includes(current);
        this.panels.get(current)!.show(view);
        this.showBanner(view, current);
        this.root.removeAttribute("aria-busy");
        document.documentElement.dataset["shown"] = `${view.state.dataset} ${current}`;
    }

    private showTheme(): void {
        const { theme } = this.state;
        if (theme === "auto") {
            delete document.documentElement.dataset["theme"];
        } else {
            document.documentElement.dataset["theme"] = theme;
        }
        this.theme.textContent = isDark() ? "Light page" : "Dark page";
    }

    private showBanner(view: View, current: Section): void {
        this.tabs.forEach((tab, section) => {
            if (section === current) {
                tab.setAttribute("aria-current", "page");
            } else {
                tab.removeAttribute("aria-current");
            }
        });
        const { datasets } = this.head;
        this.chooser.show(
            datasets.map(({ name }, index) => [String(index), indent(this.head, index) + shown(name)]),
            String(view.state.dataset),
        );
        this.detail.textContent = shown(datasets[view.state.dataset]!.detail);
        const { losses, estimated } = view.dataset.meta;
        const lines = [...(estimated ? ["All figures are estimates from a sample."] : []), ...losses.map(shown)];
        this.losses.hidden = lines.length === 0;
        this.losses.replaceChildren(...lines.map((line) => element("p", {}, line)));
    }

    private fail(error: unknown): void {
        this.root.removeAttribute("aria-busy");
        const words = error instanceof Error ? error.message : String(error);
        this.alert.hidden = false;
        this.alert.textContent = `This data cannot be shown: ${words}`;
    }

    private linkTo(file: number, line: number, text: string): HTMLElement {
        const hasSource = this.panels.has("source") && this.view?.dataset.meta.sources.some((source) => source.file === file);
        if (!hasSource) {
            return element("span", {}, text);
        }
        return button(text, () => this.update({ section: "source", file, line }, true), {
            class: "link",
            title: "Show the source",
        });
    }

    // --- keys ---

    private key(event: KeyboardEvent): void {
        const target = event.target as HTMLElement;
        const types = target.closest("input:not([type=checkbox]), select, textarea, dialog") !== null;
        if (this.view === null || types || event.ctrlKey || event.altKey || event.metaKey) {
            return;
        }
        const action = this.actions(this.view)[event.key];
        if (action !== undefined && (event.key.length > 1 || this.help.lettersOn)) {
            event.preventDefault();
            action();
        }
    }

    private actions(view: View): Actions {
        const sections = this.sections.map((section, index) => [String(index + 1), () => this.update({ section }, true)]);
        const common = {
            "/": () => this.search(),
            "?": () => this.help.open(),
            t: () => this.toggleTheme(),
            ...Object.fromEntries(sections),
            ...figureActions(view, this.updates),
        };
        return this.section() === "flame" ? { ...common, ...graphActions(view, this.flame, this.updates) } : common;
    }

    private search(): void {
        const current = this.section();
        if (current !== "flame" && current !== "table") {
            this.update({ section: this.panels.has("flame") ? "flame" : "table" }, true);
        }
        (this.section() === "table" ? this.table : this.flame).search.focus();
    }
}

function firstState({ start }: Head): ViewState {
    const parts = new URLSearchParams({ measure: start?.measure ?? "", unit: start?.by ?? "" });
    return stateOfHash(parts.toString(), startState());
}

/** Only to the same address with another query: what a link may say is data. null: there are none. */
function linksOf({ links = [] }: Head): HTMLElement | null {
    const made = links
        .filter(({ href }) => href.startsWith("?"))
        .map(({ text, href, current }) => {
            const link = element("a", { attributes: { href } }, shown(text));
            if (current === true) {
                link.setAttribute("aria-current", "page");
            }
            return link;
        });
    return made.length === 0 ? null : element("nav", { class: "pages", attributes: { "aria-label": "Pages" } }, ...made);
}

function footerOf({ version, created }: Head): HTMLElement {
    const date = formatDate(created);
    return element(
        "footer",
        {},
        `Made by ctracemalloc ${version}${date === "" ? "" : `, ${date}`}. Sizes are in units of 1024 bytes.`,
    );
}

function indent(head: Head, index: number): string {
    let depth = 0;
    for (let above = head.datasets[index]!.parent; above !== null && depth < 20; above = head.datasets[above]?.parent ?? null) {
        depth++;
    }
    return "\u00a0\u00a0".repeat(depth);
}
