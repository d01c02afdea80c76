/**
 * The graph as a tree of text, for screen readers and for whoever likes text.
 *
 * Model: a list of the items that are opened, each with its level, its number among its siblings and their number. Items of a
 * box are made when it is opened, STEP at a time. Which boxes are open is kept by their addresses, so that it survives another
 * measure. The selected item is the graph's selected box: one follows the other.
 */

import { changeText, nameOf, placeOf } from "../draw/labels.ts";
import { formatAmount } from "../model/figures.ts";
import { pathTo } from "../model/graph.ts";
import { formatPercent } from "../text/format.ts";
import { shortPath } from "../text/names.ts";
import { element } from "./dom.ts";
import type { View } from "./work.ts";

const STEP = 50; // children

export interface OutlineEvents {
    select(box: number): void;
    zoom(box: number): void;
}

interface Item {
    box: number; // the box itself, or the parent of those that are not shown yet
    level: number;
    position: number;
    siblings: number;
    more: number; // children that are not shown yet; 0: the item is a box
}

export class Outline {
    readonly element: HTMLElement;
    private readonly tree: HTMLElement;
    private readonly open = new Map<string, number>([["0", STEP]]); // address: how many children are shown
    private view: View | null = null;
    private items: Item[] = [];
    private selected = 0;

    constructor(private readonly events: OutlineEvents) {
        this.tree = element("div", {
            class: "outline",
            attributes: { role: "tree", "aria-labelledby": "outline-name" },
            on: { keydown: (event) => this.key(event), click: (event) => this.click(event) },
        });
        this.element = element(
            "section",
            { attributes: { "aria-labelledby": "outline-name" } },
            element("h3", { id: "outline-name" }, "As a tree"),
            this.tree,
        );
    }

    show(view: View, selected: number): void {
        if (this.view !== null && this.view.graph.inverted !== view.graph.inverted) {
            this.open.clear();
            this.open.set("0", STEP);
        }
        const follows = selected !== this.selected || this.view?.graph !== view.graph;
        this.view = view;
        this.selected = selected;
        if (follows) {
            for (const box of pathTo(view.graph, selected).slice(0, -1)) {
                this.openBox(box);
            }
        }
        this.draw();
    }

    private openBox(box: number): void {
        const address = this.view!.graph.address(box);
        this.open.set(address, this.open.get(address) ?? STEP);
    }

    private draw(): void {
        const hadFocus = this.tree.contains(document.activeElement);
        this.items = [];
        this.collect(0, 1, 1, 1);
        this.tree.replaceChildren(...this.items.map((item) => this.drawItem(item)));
        const current = this.currentItem();
        current?.setAttribute("tabindex", "0");
        if (hadFocus) {
            current?.focus();
        } else if (current !== null) {
            this.scrollTo(current);
        }
    }

    /** Without scrolling the page, as scrollIntoView would. */
    private scrollTo(item: HTMLElement): void {
        const top = item.offsetTop - this.tree.offsetTop;
        if (top < this.tree.scrollTop || top + item.offsetHeight > this.tree.scrollTop + this.tree.clientHeight) {
            this.tree.scrollTop = top - this.tree.clientHeight / 2;
        }
    }

    private collect(box: number, level: number, position: number, siblings: number): void {
        this.items.push({ box, level, position, siblings, more: 0 });
        const { graph } = this.view!;
        const count = this.open.get(graph.address(box));
        if (count === undefined) {
            return;
        }
        const children = graph.children(box);
        const onPath = pathTo(graph, this.selected)[level] ?? -1;
        let shown = Math.min(count, children.length);
        for (let i = shown; i < children.length; i++) {
            if (children[i] === onPath) {
                shown = i + 1;
            }
        }
        for (let i = 0; i < shown; i++) {
            this.collect(children[i]!, level + 1, i + 1, children.length);
        }
        if (shown < children.length) {
            const more = children.length - shown;
            this.items.push({ box, level: level + 1, position: shown + 1, siblings: children.length, more });
        }
    }

    private drawItem(item: Item): HTMLElement {
        const { graph } = this.view!;
        const isBox = item.more === 0;
        const hasChildren = isBox && graph.children(item.box).length > 0;
        const attributes: Record<string, string> = {
            role: "treeitem",
            tabindex: "-1",
            "aria-level": String(item.level),
            "aria-posinset": String(item.position),
            "aria-setsize": String(item.siblings),
            "aria-selected": String(isBox && item.box === this.selected),
            "data-box": graph.address(item.box),
        };
        if (hasChildren) {
            attributes["aria-expanded"] = String(this.open.has(graph.address(item.box)));
        }
        const made = element("div", { class: "item", attributes });
        made.style.setProperty("--level", String(item.level - 1));
        made.append(...(isBox ? this.textOf(item.box, hasChildren) : [`${item.more.toLocaleString("en")} more`]));
        return made;
    }

    private textOf(box: number, hasChildren: boolean): Node[] {
        const { graph, selection, byChange, compared } = this.view!;
        const width = graph.width(box);
        const parts: [string, string][] = [
            ["twist", hasChildren ? (this.open.has(graph.address(box)) ? "▾" : "▸") : ""],
            ["name", nameOf(graph, box)],
            ["path", shortPath(placeOf(graph, box))],
            ["number", formatAmount(width, selection.unit)],
            ["number", formatPercent(width, graph.width(0))],
            ...(compared || byChange ? [["number", changeText(graph, box)] as [string, string]] : []),
        ];
        return parts.flatMap(([kind, text]) => {
            const hidden = kind === "twist" ? { "aria-hidden": "true" } : {};
            return [element("span", { class: kind, attributes: hidden }, text), document.createTextNode(" ")];
        });
    }

    private currentItem(): HTMLElement | null {
        const index = this.items.findIndex((item) => item.more === 0 && item.box === this.selected);
        return (this.tree.children[Math.max(0, index)] as HTMLElement | undefined) ?? null;
    }

    private indexOf(target: EventTarget | null): number {
        const item = (target as Element | null)?.closest(".item");
        return item ? Array.prototype.indexOf.call(this.tree.children, item) : -1;
    }

    private click(event: MouseEvent): void {
        const index = this.indexOf(event.target);
        const item = this.items[index];
        if (item === undefined) {
            return;
        }
        const onTwist = (event.target as Element).classList.contains("twist");
        if (item.more > 0) {
            this.showMore(item, index);
        } else if (onTwist) {
            this.toggle(item);
        } else {
            this.events.select(item.box);
        }
    }

    private toggle(item: Item, wanted?: boolean): void {
        const address = this.view!.graph.address(item.box);
        if (wanted ?? !this.open.has(address)) {
            this.openBox(item.box);
        } else {
            this.open.delete(address);
        }
        this.draw();
    }

    private showMore(item: Item, index: number): void {
        const { graph } = this.view!;
        const address = graph.address(item.box);
        this.open.set(address, graph.children(item.box).length - item.more + 4 * STEP);
        this.draw();
        this.focus(index);
    }

    private focus(index: number): void {
        const item = this.items[index];
        const target = this.tree.children[index] as HTMLElement | undefined;
        if (item === undefined || target === undefined) {
            return;
        }
        target.focus();
        if (item.more === 0) {
            this.events.select(item.box);
        }
    }

    private key(event: KeyboardEvent): void {
        const index = this.indexOf(event.target);
        const item = this.items[index];
        if (item === undefined || event.ctrlKey || event.altKey || event.metaKey) {
            return;
        }
        const isOpen = this.open.has(this.view!.graph.address(item.box));
        const actions: Record<string, () => void> = {
            ArrowDown: () => this.focus(index + 1),
            ArrowUp: () => this.focus(index - 1),
            Home: () => this.focus(0),
            End: () => this.focus(this.items.length - 1),
            ArrowRight: () => (isOpen || item.more > 0 ? this.focus(index + 1) : this.toggle(item, true)),
            ArrowLeft: () => (isOpen && item.more === 0 ? this.toggle(item, false) : this.focus(this.parentOf(index))),
            Enter: () => (item.more > 0 ? this.showMore(item, index) : this.events.zoom(item.box)),
            " ": () => (item.more > 0 ? this.showMore(item, index) : this.events.select(item.box)),
        };
        const action = actions[event.key];
        if (action !== undefined) {
            action();
            event.preventDefault();
            event.stopPropagation();
        }
    }

    private parentOf(index: number): number {
        const level = this.items[index]!.level;
        for (let above = index; above >= 0; above--) {
            if (this.items[above]!.level < level) {
                return above;
            }
        }
        return index;
    }
}
