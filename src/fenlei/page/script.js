"use strict";
(() => {
    const root = document.documentElement;
    const data = JSON.parse(document.getElementById("data").textContent);
    const PAGE = 50;

    // Charts: drawn again when the language changes; colours are CSS and need nothing.
    async function draw() {
        const language = root.dataset.language;
        for (const [name, spec] of Object.entries(data.specs[language])) {
            if (root.dataset.language !== language) return;  // toggled meanwhile: another call draws
            const place = document.querySelector(`[data-chart="${name}"]`);
            if (!place) continue;
            const datasets = {...spec.datasets, ...data.charts};
            for (const other of Object.keys(data.charts)) {
                if (other !== name && !(name === "precision_recall" && other === "working_point")) delete datasets[other];
            }
            await vegaEmbed(place, {...spec, datasets}, {
                mode: "vega-lite", renderer: "svg", actions: false, ast: true, config: data.config, tooltip: {theme: "custom"},
            });
        }
        root.dataset.drawn = language;
    }

    // Toggles
    const dark = matchMedia("(prefers-color-scheme: dark)");
    document.getElementById("theme").addEventListener("click", () => {
        const now = root.dataset.theme || (dark.matches ? "dark" : "light");
        root.dataset.theme = now === "dark" ? "light" : "dark";
    });
    document.getElementById("language").addEventListener("click", () => {
        speak(root.dataset.language === "zh" ? "en" : "zh");
        show(true);
        draw();
    });
    document.getElementById("print").addEventListener("click", () => print());

    function speak(language) {
        root.dataset.language = language;
        root.lang = language === "zh" ? "zh-Hans" : "en";
        document.title = root.dataset[`title${language === "zh" ? "Zh" : "En"}`];
        for (const element of document.querySelectorAll("[data-placeholder-zh]")) {
            const text = element.dataset[language === "zh" ? "placeholderZh" : "placeholderEn"];
            element.placeholder = text;
            element.setAttribute("aria-label", text);
        }
    }

    // Tables: a heading sorts by the value its cells carry; what has none comes last.
    for (const button of document.querySelectorAll("th button")) {
        button.addEventListener("click", () => {
            const heading = button.closest("th"), table = heading.closest("table"), body = table.tBodies[0];
            const column = [...heading.parentNode.children].indexOf(heading);
            const descending = heading.getAttribute("aria-sort")
                ? heading.getAttribute("aria-sort") === "ascending" : heading.classList.contains("n");
            const value = row => {
                const told = row.children[column].dataset.value;
                return told === undefined ? row.children[column].textContent.trim() : told === "" ? null : Number(told);
            };
            const order = (a, b) => typeof a === "string" ? a.localeCompare(b, "zh-Hans-CN") : a - b;
            const rows = [...body.rows].map(row => [value(row), row]);
            rows.sort(([a], [b]) => a === null || b === null ? (a === null) - (b === null) : descending ? order(b, a) : order(a, b));
            for (const other of heading.parentNode.children) other.removeAttribute("aria-sort");
            heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
            body.append(...rows.map(([, row]) => row));
        });
    }
    const filter = document.getElementById("filter-labels");
    if (filter) filter.addEventListener("input", () => {
        const wanted = filter.value.trim().toLowerCase();
        for (const row of document.querySelector("#labels-table tbody").rows) {
            row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
        }
    });

    // Errors: texts become text nodes, never markup.
    const list = document.getElementById("error-list"), search = document.getElementById("search-errors");
    const count = document.getElementById("errors-count"), more = document.getElementById("more-errors");
    const words = data.errors.map(([id, text, right, missed, wrong]) =>
        [id, text, ...right, ...missed.map(one => one[0]), ...wrong.map(one => one[0])].join("\n").toLowerCase());
    let found = [], shown = 0;

    function element(tag, name, text) {
        const made = document.createElement(tag);
        if (name) made.className = name;
        if (text !== undefined) made.textContent = text;
        return made;
    }
    function mark(kind, label, score) {
        const told = data.words[root.dataset.language];
        const made = element("span", `mark ${kind}`);
        if (kind !== "right") made.append(element("small", "", told[kind]), " ");
        made.append(label);
        if (score !== undefined) made.append(" ", element("small", "", score.toFixed(2)));
        return made;
    }
    function article([id, text, right, missed, wrong, confidence]) {
        const made = element("article", "error"), head = element("div", "head");
        const told = data.words[root.dataset.language];
        head.append(element("span", "id", `${id} · ${told.confidence} ${confidence.toFixed(2)}`));
        for (const label of right) head.append(mark("right", label));
        for (const [label, score] of missed) head.append(mark("missed", label, score));
        for (const [label, score] of wrong) head.append(mark("wrong", label, score));
        made.append(head, element("p", "", text));
        return made;
    }
    function show(again) {
        if (!list) return;
        if (again) {
            const wanted = search.value.trim().toLowerCase().split(/\s+/);
            found = data.errors.filter((_, i) => wanted.every(word => words[i].includes(word)));
            list.replaceChildren();
            shown = 0;
        }
        list.append(...found.slice(shown, shown + PAGE).map(article));
        shown = Math.min(found.length, shown + PAGE);
        count.textContent = `${found.length.toLocaleString("en")} ${data.words[root.dataset.language].found}`;
        more.hidden = shown >= found.length;
    }
    if (search) {
        search.addEventListener("input", () => show(true));
        more.addEventListener("click", () => show(false));
    }

    speak(root.dataset.language);
    show(true);
    draw();
})();
