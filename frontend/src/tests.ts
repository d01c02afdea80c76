/**
 * The script of the page of a test run (pytest --ctracemalloc-html): it sorts the table, filters it and opens its rows.
 *
 * Model: the page has all of its text as markup and can be read without this script. A test is a <tbody> of one or two rows, of
 * which the second has its lines. What it is sorted by are the numbers of its attribute data-sort, in the order of the columns
 * behind the first, -1 where nothing was measured; the first column is sorted by its text. Rows are moved and hidden, never made.
 */

export {}; // a module: its names are its own

interface Test {
    body: HTMLTableSectionElement;
    name: string;
    outcome: string;
    figures: readonly number[];
}

const table = document.querySelector<HTMLTableElement>("table.tests")!;
const headings = [...table.querySelectorAll<HTMLTableCellElement>("th[data-column]")];
const filter = document.querySelector<HTMLInputElement>("#filter")!;
const outcome = document.querySelector<HTMLSelectElement>("#outcome")!;
const count = document.querySelector<HTMLElement>("#count")!;
const tests: Test[] = [...table.tBodies].map((body) => ({
    body,
    name: body.querySelector(".id")!.textContent,
    outcome: body.dataset["outcome"]!,
    figures: body.dataset["sort"]!.split(" ").map(Number),
}));

/** column: 0 is the name. Figures begin with the largest, names with the first; a second click turns them around. */
function sort(column: number): void {
    const heading = headings[column]!;
    const first = column === 0 ? "ascending" : "descending";
    const second = column === 0 ? "descending" : "ascending";
    const order = heading.getAttribute("aria-sort") === first ? second : first;
    for (const other of headings) {
        other.removeAttribute("aria-sort");
    }
    heading.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const byName = (one: Test, other: Test) => Number(one.name > other.name) - Number(one.name < other.name);
    const compare =
        column === 0
            ? byName
            : (one: Test, other: Test) => one.figures[column - 1]! - other.figures[column - 1]! || sign * byName(one, other);
    tests.sort((one, other) => sign * compare(one, other));
    table.append(...tests.map((test) => test.body));
}

/** A test is shown if its id has each of the words, in any case of letters. */
function choose(): void {
    const words = filter.value.toLowerCase().split(/\s+/);
    let shown = 0;
    for (const { body, name, outcome: is } of tests) {
        const text = name.toLowerCase();
        body.hidden = !(words.every((word) => text.includes(word)) && (outcome.value === "" || outcome.value === is));
        shown += Number(!body.hidden);
    }
    const number = (value: number) => value.toLocaleString("en");
    count.textContent = `${number(shown)} of ${number(tests.length)} ${tests.length === 1 ? "test" : "tests"}`;
}

function open(button: HTMLButtonElement): void {
    const more = button.closest("tbody")!.querySelector<HTMLElement>(".more")!;
    more.hidden = !more.hidden;
    button.setAttribute("aria-expanded", String(!more.hidden));
}

headings.forEach((heading, column) => {
    heading.querySelector("button")!.addEventListener("click", () => sort(column));
});
for (const button of table.querySelectorAll<HTMLButtonElement>("button.id")) {
    button.addEventListener("click", () => open(button));
    open(button); // without this script all are open
}
filter.addEventListener("input", choose);
outcome.addEventListener("change", choose);
document.querySelector<HTMLElement>(".toolbar")!.hidden = false;
choose(); // a browser keeps what was entered when it loads a page again
document.documentElement.dataset["shown"] = "";
