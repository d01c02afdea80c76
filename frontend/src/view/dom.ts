/**
 * Making elements. Text is always a text node, never markup.
 */

type Child = Node | string | null;
interface Options {
    class?: string;
    id?: string;
    attributes?: Readonly<Record<string, string>>;
    on?: { [Name in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[Name]) => void };
}

export function element<Tag extends keyof HTMLElementTagNameMap>(
    tag: Tag,
    options: Options = {},
    ...children: Child[]
): HTMLElementTagNameMap[Tag] {
    const made = document.createElement(tag);
    if (options.class !== undefined) {
        made.className = options.class;
    }
    if (options.id !== undefined) {
        made.id = options.id;
    }
    for (const [name, value] of Object.entries(options.attributes ?? {})) {
        made.setAttribute(name, value);
    }
    for (const [name, listener] of Object.entries(options.on ?? {})) {
        made.addEventListener(name, listener as EventListener);
    }
    made.append(...children.filter((child) => child !== null));
    return made;
}

export function drawing(tag: string, attributes: Readonly<Record<string, string | number>>, ...children: Child[]): SVGElement {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) {
        made.setAttribute(name, String(value));
    }
    made.append(...children.filter((child) => child !== null));
    return made;
}

export function button(text: string, onClick: () => void, options: { title?: string; class?: string } = {}): HTMLButtonElement {
    const attributes: Record<string, string> = { type: "button" };
    if (options.title !== undefined) {
        attributes["title"] = options.title;
    }
    return element("button", { class: options.class ?? "", attributes, on: { click: onClick } }, text);
}

let numbered = 0;

/** A caption before a control. */
export function labelled(caption: string, control: HTMLElement): HTMLElement {
    control.id ||= `control-${++numbered}`;
    const label = element("label", { attributes: { for: control.id } }, caption);
    return element("div", { class: "field" }, label, control);
}

export interface Choice<Value extends string> {
    element: HTMLElement;
    show(options: readonly [Value, string][], value: Value): void;
}

/** A labelled select. It is hidden while there is nothing to choose. */
export function choice<Value extends string>(caption: string, onChange: (value: Value) => void): Choice<Value> {
    const select = element("select", { on: { change: () => onChange(select.value as Value) } });
    const field = labelled(caption, select);
    let shown = "";
    return {
        element: field,
        show(options, value) {
            const text = JSON.stringify(options);
            if (text !== shown) {
                shown = text;
                select.replaceChildren(
                    ...options.map(([name, words]) => element("option", { attributes: { value: name } }, words)),
                );
            }
            select.value = value;
            field.hidden = options.length < 2;
        },
    };
}

export interface Switch {
    element: HTMLElement;
    show(on: boolean, possible?: boolean): void;
}

export function checkbox(caption: string, onChange: (on: boolean) => void, title = ""): Switch {
    const box = element("input", { attributes: { type: "checkbox" }, on: { change: () => onChange(box.checked) } });
    const label = element("label", { class: "check", attributes: title === "" ? {} : { title } }, box, caption);
    return {
        element: label,
        show(on, possible = true) {
            box.checked = on;
            label.hidden = !possible;
        },
    };
}

/** Give a file to the user. */
export function download(blob: Blob, name: string): void {
    const url = URL.createObjectURL(blob);
    const link = element("a", { attributes: { href: url, download: name } });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** A text in an element that is hidden while there is none. */
export function setNote(target: HTMLElement, text: string): void {
    setText(target, text);
    target.hidden = text === "";
}

/** Put children in, unless nothing would change. */
export function setText(target: Element, text: string): void {
    if (target.textContent !== text) {
        target.textContent = text;
    }
}
