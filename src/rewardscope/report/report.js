"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const by = (id) => document.getElementById(id);
  // A table too wide for a sheet is printed a cell after the other, each with its column's name. An opened one alone is printed.
  for (const fold of document.querySelectorAll("#tables > details")) fold.addEventListener("toggle", () => {
    const table = fold.querySelector("table"), columns = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
    if (columns.length <= 8 || table.className) return;
    table.className = "stacked";
    for (const row of table.tBodies[0].rows) [...row.cells].forEach((cell, i) => { cell.dataset.column = columns[i]; });
  });
  if (!data.features.length) return;
  document.documentElement.classList.add("js");

  // Everything that comes from data enters the page here, as text.
  function el(tag, kind, text) {
    const node = document.createElement(tag);
    if (kind) node.className = kind;
    if (text !== undefined) node.textContent = text;
    return node;
  }
  function put(parent, ...children) {
    for (const child of children) if (child) parent.appendChild(child);
    return parent;
  }
  function svg(tag, attributes, title) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (title) node.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "title")).textContent = title;
    return node;
  }
  const number = (value, digits = 2) => (value === null || value === undefined ? "–" : value.toFixed(digits).replace("-", "\u2212"));
  const signed = (value) => (value > 0 ? "+" : "") + number(value, 1);
  const percent = (value) => (value === null ? "–" : (100 * value).toFixed(2) + " %");
  const sideName = { base: "base", rlhf: "tuned", crosscoder: "crosscoder" };

  const features = data.features;
  const known = new Map();
  const KEYS = ["model", "reward", "run", "side", "layer", "seed"];
  for (const f of features) {
    const [model, reward, run, side, layer, seed, name] = f.id.split("/");
    Object.assign(f, { model, reward, run: run.slice(3), side, layer: layer.slice(5), seed: seed.slice(4), name: name.slice(7) });
    f.text = [f.id, f.on, ...f.up.map((t) => t[0])].join(" ").normalize().toLowerCase();
    f.changed = f.nearCos === null || f.nearCos === undefined ? -9 : (f.change[0] ?? 1) - f.change[1];
    f.thing = f.group === undefined ? f.id : [model, reward, side, layer, f.group].join("/"); // what it is one of over SAE seeds and runs
    f.moved = f.rate ? Math.abs(Math.log2((f.rate[1] + 1e-5) / (f.rate[0] + 1e-5))) : -1;
    known.set(f.id, f);
  }
  const things = (some) => new Set(some.map((f) => f.thing)).size;
  const held = (f) => `in ${f.in[0]} of ${f.in[1]} ` + (f.in[3] > 1 ? `SAEs (${f.in[2]} of ${f.in[3]} runs)` : f.in[1] > 1 ? "SAE seeds" : "SAE seed");
  const has = (key) => features.some((f) => f[key] !== undefined && f[key] !== null);
  const score = (f) => f.scores?.[by("scored").value] ?? null;
  const SORTS = [
    ["change", "changed most: direction", (f) => -f.changed, has("nearCos")],
    ["moved", "changed most: firing rate", (f) => -f.moved, has("rate")],
    ["place", "best matched (MMCS place)", (f) => f.place ?? 1e9, true], // a crosscoder's have none
    ["up", "promotes the reward most", (f) => -f.uUp, has("uUp")],
    ["down", "promotes against the reward most", (f) => f.uUp, has("uUp")],
    ["on", "fires on words of the reward most", (f) => -Math.abs(f.uOn), has("uOn")],
    ["score", "best score", (f) => -(score(f) ?? -9), has("scores")],
  ].filter((s) => s[3]);

  function options(select, pairs) {
    for (const [value, text] of pairs) {
      const option = el("option", "", text);
      option.value = value;
      select.appendChild(option);
    }
  }
  options(by("sort"), SORTS.map(([value, text]) => [value, text]));
  for (const key of KEYS) {
    const values = [...new Set(features.map((f) => f[key]))].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    options(by(key), [["", "all"], ...values.map((v) => [v, sideName[v] && key === "side" ? sideName[v] : v])]);
    by(key).parentElement.hidden = values.length < 2;
  }
  const scorers = [...new Set(features.flatMap((f) => Object.keys(f.scores ?? {})))];
  options(by("scored"), scorers.map((name) => [name, name]));
  for (const id of ["score", "scored"]) by(id).parentElement.hidden = !scorers.length;

  const STEP = 60, LONG = 80; // rows at once; characters of a token, of which there are some with thousands
  const short = (token) => (token.length > LONG ? token.slice(0, LONG - 1) + "…" : token);
  let found = [], shown = 0, chosen = null; // found: of each feature over seeds the first

  function filter() {
    const words = by("search").value.normalize().toLowerCase().split(/\s+/).filter(Boolean);
    const want = KEYS.map((key) => [key, by(key).value]).filter((w) => w[1]);
    const least = by("score").value === "" ? null : Number(by("score").value);
    const [, , rank] = SORTS.find((s) => s[0] === by("sort").value);
    const matching = features
      .filter((f) => want.every(([key, value]) => f[key] === value) && words.every((w) => f.text.includes(w)) && (least === null || (score(f) ?? -9) >= least))
      .map((f) => [rank(f), f])
      .sort((a, b) => a[0] - b[0])
      .map((pair) => pair[1]);
    const first = new Map();
    for (const f of matching) if (!first.has(f.thing)) first.set(f.thing, f);
    found = [...first.values()];
    by("list").replaceChildren();
    shown = 0;
    more();
    by("count").textContent = `${found.length} of ${things(features)} features`;
    if (chosen && !matching.includes(known.get(chosen))) clear("The feature that was open is not among those found.");
  }

  function clear(said) {
    chosen = null;
    for (const button of by("list").querySelectorAll("[aria-current]")) button.removeAttribute("aria-current");
    by("feature").replaceChildren(el("p", "key", said));
  }

  function more() {
    const rows = document.createDocumentFragment();
    for (const f of found.slice(shown, shown + STEP)) rows.appendChild(row(f));
    by("list").appendChild(rows);
    shown = Math.min(found.length, shown + STEP);
    by("more").hidden = shown >= found.length;
  }

  function row(f) {
    const button = el("button");
    button.type = "button";
    button.dataset.id = f.id;
    if (f.thing === known.get(chosen)?.thing) button.setAttribute("aria-current", "true");
    const who = el("span", "who");
    const left = el("span", "", ` layer ${f.layer}, seed ${f.seed}, feature ${f.name}`);
    left.prepend(el("span", "side " + f.side, sideName[f.side]));
    put(who, left, el("span", "", by("sort").value === "moved" ? `×${number(2 ** f.moved)}` : f.norm !== undefined ? `norm ${number(f.norm)}` : f.nearCos === undefined ? "" : `cosine ${number(f.change[1])}`));
    const up = el("span", "up", "Raises ");
    f.up.slice(0, 4).forEach(([token], i) => up.append(i ? ", " : "", el("bdi", "", short(token))));
    if (f.in) put(who, el("span", "held", held(f)));
    put(button, who, put(el("span", "on"), el("bdi", "", f.on)), up);
    return put(el("li"), button);
  }

  function chips(tokens) {
    const line = el("p");
    for (const [token, logit, utility] of tokens) {
      const chip = el("span", "chip" + (utility > 0 ? " good" : utility < 0 ? " bad" : ""));
      chip.title = `logit ${signed(logit)}` + (utility === null ? "" : `, utility ${signed(utility)}`);
      put(chip, el("bdi", "", short(token)), utility ? el("small", "", " " + signed(utility)) : null);
      line.append(chip, " ");
    }
    return line;
  }

  // p as the findings' sentences say it: two digits of it, in per cent
  const share = (p) => (p < 0.995 ? String(Number((100 * p).toPrecision(2))) : "100");
  function changes(tokens) {
    const line = el("p");
    for (const [token, before, after] of tokens) {
      line.append(put(el("span", "chip"), el("bdi", "", short(token)), el("small", "", ` ${share(before)} → ${share(after)} %`)), " ");
    }
    return line;
  }

  function histogram(f) {
    const left = 46, width = 360, height = 90, most = Math.max(...f.hist), top = Math.log1p(most), n = f.hist.length;
    const said = `Histogram of ${f.fires} activations from 0 to ${f.max}, counts on a logarithmic scale`;
    const chart = svg("svg", { class: "hist", viewBox: `${-left} -8 ${left + width} ${height + 26}`, width: left + width, role: "img", "aria-label": said });
    f.hist.forEach((count, i) => {
      const h = (height * Math.log1p(count)) / top, step = width / n;
      const range = `${number((f.max * i) / n)} to ${number((f.max * (i + 1)) / n)}: ${count}`;
      chart.appendChild(svg("rect", { x: i * step + 1, y: height - h, width: step - 2, height: h }, range));
    });
    chart.appendChild(svg("path", { class: "axis", d: `M0 0v${height}h${width}` }));
    const middle = Math.round(Math.expm1(top / 2));
    const ends = [[0, height + 15, "start", "0"], [width, height + 15, "end", number(f.max, 1)], [-5, height + 4, "end", "0"], [-5, 4, "end", most.toLocaleString("en")]];
    if (middle > 0 && middle < most) ends.push([-5, height / 2 + 4, "end", middle.toLocaleString("en")]);
    for (const [x, y, anchor, text] of ends) {
      const label = svg("text", { x, y, "text-anchor": anchor, class: "tick" });
      label.textContent = text;
      chart.appendChild(label);
    }
    return chart;
  }

  function gauge(f) {
    const at = (value) => 4 + 232 * Math.max(0, value);
    const nulls = Object.entries(f.null);
    const said = `MMCS cosine ${number(f.cosine)}; ` + nulls.map(([kind, v]) => `null ${kind} ${number(v)}`).join(", ");
    const chart = svg("svg", { class: "gauge", viewBox: "0 0 240 22", width: 240, role: "img", "aria-label": said });
    chart.appendChild(svg("rect", { class: "track", x: 4, y: 7, width: 232, height: 8, rx: 4 }));
    for (const [kind, v] of nulls) if (v !== null) chart.appendChild(svg("path", { class: "null-" + kind, d: `M${at(v)} 3v16` }, `null: ${kind} ${number(v)}`));
    chart.appendChild(svg("circle", { class: "mark " + f.side, cx: at(f.cosine), cy: 11, r: 6 }, `cosine ${number(f.cosine)}`));
    return chart;
  }

  // The explanation, its words that stand in the windows below marked; and where the others come from.
  function explanation(f) {
    const line = el("bdi"), seen = new Set(f.seen);
    for (const part of f.on.split(/([\p{L}\p{N}'\u2019-]+)/u)) line.append(seen.has(part.toLowerCase().replaceAll("\u2019", "'")) ? el("mark", "", part) : part);
    const made = `it was made from the ${f.drawn} on documents set apart for explaining`;
    const told = !f.unseen.length ? `Every word of it stands in the windows below; ${made}.`
      : `${f.seen.length} of its ${f.seen.length + f.unseen.length} words, underlined, stand in the windows below, which show few; ${made}.`;
    return put(el("div"), put(el("p"), line), f.seen.length + f.unseen.length ? el("p", "key", told) : null);
  }

  function windows(f, middling) {
    const box = el("div");
    const tokens = data.tokens[f.model];
    for (const w of f.win.filter((x) => Boolean(x.m) === middling)) {
      const line = el("p", "window");
      line.appendChild(el("small", "", `document ${w.d}, ${w.v[w.p]} % of the largest activation`));
      w.t.forEach((t, i) => {
        const level = Math.ceil(w.v[i] / 10);
        const text = short(tokens[t].replaceAll("\n", "↵"));
        const space = text.length > 1 && text.startsWith(" ") ? " " : ""; // not shaded, and left out where a line begins
        const token = el("span", "t" + (level ? " a" + level : "") + (i === w.p ? " peak" : ""), text.slice(space.length));
        if (level) token.title = `${w.v[i]} % of the largest`;
        line.append(i ? space : "", token);
      });
      box.appendChild(line);
    }
    return box;
  }

  function fact(list, name, ...values) {
    const value = el("dd");
    for (const v of values) value.append(v);
    put(list, put(el("div"), el("dt", "", name), value));
  }

  function open(id, focus) {
    const f = known.get(id);
    if (!f) return clear(`There is no feature ${short(id)} in this report.`);
    chosen = id;
    for (const button of by("list").querySelectorAll("button")) {
      if (known.get(button.dataset.id).thing === f.thing) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
    const page = by("feature");
    page.replaceChildren();
    const title = el("h3", "", ` feature ${f.name}, layer ${f.layer}`);
    title.prepend(el("span", "side " + f.side, sideName[f.side]));
    put(page, title, el("p", "address", f.id));
    put(page, el("h4", "", "What activates it"), f.on ? explanation(f) : el("p", "", "There is no explanation."));
    put(page, el("h4", "", "What it promotes"), f.makes ? put(el("p"), el("bdi", "", f.makes)) : null);
    put(page, el("p", "key", "Tokens that it makes more likely"), chips(f.up), el("p", "key", "and less likely"), chips(f.down));
    if (f.now) {
      put(page, el("h4", "", `What tuning changed where it fires (on ${f.now.n.toLocaleString("en")} tokens that the models wrote)`));
      for (const [said, some] of [["Written more often", f.now.p.filter((t) => t[2] > t[1])], ["and less often", f.now.p.filter((t) => t[2] < t[1])]])
        if (some.length) put(page, el("p", "key", said), changes(some));
    }
    const facts = el("dl", "facts"), nulls = Object.entries(f.null ?? {});
    if (f.norm !== undefined) {
      const alone = f.alone === "both" ? "not one model's alone" : `the ${sideName[f.alone]} model's alone`;
      fact(facts, "In one dictionary of both models", `${alone}: relative norm of the tuned side's decoder ${number(f.norm)}`);
      fact(facts, "Of what it gives the tuned model the base holds", `${number(f.nu[0])} by error, ${number(f.nu[1])} by reconstruction`);
    } else fact(facts, "Found in both dictionaries", `place ${f.place} of ${f.of}, cosine ${number(f.cosine)}`, gauge(f),
      nulls.length ? `null at this place: ${nulls.map(([kind, v]) => `${number(v)} (${kind})`).join(", ")}` : "");
    if (f.nearCos !== undefined) {
      const own = sideName[f.side], other = sideName[f.side === "rlhf" ? "base" : "rlhf"];
      const place = (id) => id.split("/").slice(2).filter((part) => /^seed|^feature/.test(part) || (part.startsWith("run") && f.in[3] > 1)).map((part) => part.replace(/\d+$/, " $&")).join(", ");
      const link = (id) => {
        if (!known.has(id)) return el("span", "", place(id) + " (not explained)");
        const button = el("button", "link", place(id));
        button.type = "button";
        button.addEventListener("click", () => go(id));
        return button;
      };
      const members = f.same.map(([run, seed, feature]) => [f.model, f.reward, `run${run}`, f.side, `layer${f.layer}`, `seed${seed}`, `feature${feature}`].join("/"));
      const others = members.filter((id) => id !== f.id).flatMap((id, i) => [i ? "; " : "the same as ", link(id)]);
      fact(facts, `One feature ${held(f)} of ${own}`, others.length ? "" : "no other has a partner of it at that cosine", ...others);
      fact(facts, `Nearest in ${other}, of all its SAEs`, f.near ? link(f.near) : "–", `, cosine ${number(f.nearCos)}`);
      fact(facts, "Largest cosine of all that are this feature", `${number(f.change[1])} with any SAE of ${other}, ${number(f.change[0])} with any other of ${own}`);
    }
    if (f.rate) fact(facts, "Fires on tokens", `${percent(f.rate[0])} in base, ${percent(f.rate[1])} in the tuned model`);
    if (f.uUp !== undefined) fact(facts, "Utility of its words", `raised ${signed(f.uUp)}, fired on ${signed(f.uOn)}`);
    for (const [name, value] of Object.entries(f.scores ?? {})) fact(facts, `Score: ${name}`, number(value));
    put(page, facts);
    if (f.fires) {
      put(page, el("h4", "", `How strongly it fires (${f.fires.toLocaleString("en")} tokens, counts on a logarithmic scale)`), histogram(f));
      put(page, el("h4", "", "Where it fires most"), windows(f, false));
      if (f.win.some((w) => w.m)) put(page, el("h4", "", "Where it fires as it usually does"), windows(f, true));
    }
    if (focus) {
      page.focus({ preventScroll: true });
      if (page.getBoundingClientRect().top > innerHeight * 0.6 || page.getBoundingClientRect().top < 0) page.scrollIntoView({ block: "start" });
    }
  }

  // An entry of the history keeps which feature was open: Back opens it also where the address names none, a link to a section leaves it open.
  function go(id) {
    history.pushState(id, "", "#" + encodeURI(id));
    open(id, true);
  }
  function walk() {
    const id = asked();
    if (id || history.state) open(id ?? history.state, Boolean(id));
    else history.replaceState(chosen, "");
  }

  for (const id of ["sort", "scored", ...KEYS]) by(id).addEventListener("change", filter);
  for (const id of ["search", "score"]) by(id).addEventListener("input", filter);
  by("more").addEventListener("click", more);
  document.querySelector(".filters").addEventListener("submit", (event) => event.preventDefault());
  by("list").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) go(button.dataset.id);
  });
  by("list").addEventListener("keydown", (event) => {
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    const next = step && event.target.closest("li")[step];
    if (!next) return;
    event.preventDefault();
    next.firstElementChild.focus();
  });
  // What the address asks for: a feature's, which may be none of this report, or a section's
  const asked = () => features.find((f) => "#" + encodeURI(f.id) === location.hash)?.id ?? (/\/feature/.test(location.hash) ? location.hash.slice(1) : undefined);
  addEventListener("hashchange", walk);

  filter();
  const first = asked();
  open(first ?? (found[0] ?? features[0]).id, false);
  history.replaceState(chosen, "");
  if (first) by("features").scrollIntoView();
})();
