
(() => {
  const root = document.documentElement, theme = document.getElementById("theme"), fold = document.getElementById("fold");
  const store = { get: k => { try { return localStorage.getItem(k); } catch { return null; } },
                  set: (k, v) => { try { localStorage.setItem(k, v); } catch {} } };
  const setTheme = dark => { root.dataset.theme = dark ? "dark" : "light"; theme.setAttribute("aria-pressed", dark); };
  const stored = store.get("theme");
  setTheme(stored ? stored === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  theme.onclick = () => { const dark = root.dataset.theme !== "dark"; setTheme(dark); store.set("theme", dark ? "dark" : "light"); };
  document.querySelector(".switches").hidden = false;

  const codes = [...document.querySelectorAll("details.code")];
  if (fold) fold.onclick = () => {
    const open = fold.getAttribute("aria-pressed") !== "true";
    fold.setAttribute("aria-pressed", open);
    codes.forEach(code => { code.open = open; });
  };

  // The current place: the last heading that the reader has passed.
  const links = [...document.querySelectorAll(".side li a")];
  const places = links.map(link => document.getElementById(decodeURIComponent(link.hash.slice(1))));
  let waiting = false;
  const mark = () => {
    waiting = false;
    const end = root.scrollHeight - innerHeight - scrollY < 2;
    let current = 0;
    places.forEach((place, i) => { if (place && (end || place.getBoundingClientRect().top < 100)) current = i; });
    links.forEach((link, i) => i === current ? link.setAttribute("aria-current", "location") : link.removeAttribute("aria-current"));
    const side = document.querySelector(".side"), at = links[current];
    if (at && side.scrollHeight > side.clientHeight + 1) side.scrollTop = at.offsetTop - side.clientHeight / 2;
  };
  addEventListener("scroll", () => { if (!waiting) { waiting = true; requestAnimationFrame(mark); } }, { passive: true });
  if (links.length) mark();

  // Figures to play with: Bokeh draws, these hands move. See mixture/show/interactive.py for the words.
  const numbers = (text, kind = Float32Array) => new kind(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);
  const make = (tag, text, settings) => {
    const element = Object.assign(document.createElement(tag), settings);
    if (text) element.textContent = text;
    return element;
  };
  const swatch = (colour, dash) => {
    const element = make("span", "", { className: "swatch" });
    element.style.borderTopColor = colour;
    element.style.borderTopStyle = dash;
    return element;
  };
  const slider = (name, most, start) => {
    const label = make("label"), input = make("input", "", { type: "range", min: 0, max: most }), output = make("output");
    input.value = start;
    label.append(make("span", name, { className: "name" }), input, output);
    return { label, input, output };
  };

  const play = async figure => {
    const place = figure.querySelector(".play"), data = JSON.parse(figure.querySelector("script").textContent);
    const drawing = make("div", "", { className: "drawing" }), hands = make("div", "", { className: "hands" });
    drawing.setAttribute("role", "img");
    drawing.setAttribute("aria-label", figure.querySelector("img").alt);
    place.append(drawing, hands);
    place.hidden = false;
    figure.classList.add("playing");
    const views = await Bokeh.embed.embed_item(data.figure, drawing);
    const models = [...views.roots][0].model.references(), x = numbers(data.x, Float64Array);
    const named = name => [...models].filter(model => model.name === name);

    const set = make("fieldset"), boxes = {};
    set.append(make("legend", "Show"));
    for (const { label, name, on, colour, dash } of data.switches) {
      const words = make("label"), box = make("input", "", { type: "checkbox", checked: on });
      box.onchange = () => named(name).forEach(model => { model.visible = box.checked; });
      words.append(box, swatch(colour, dash), label);
      set.append(words);
      boxes[name] = box;
    }

    const { columns, count } = data.stepper, step = slider(data.stepper.label, count - 1, 0), [source] = named(data.stepper.source);
    const frames = Object.fromEntries(Object.entries(columns).map(([name, text]) => [name, numbers(text)]));
    const go = () => {
      const from = +step.input.value * x.length;
      source.data = { x, ...Object.fromEntries(Object.entries(frames).map(([name, all]) => [name, all.subarray(from, from + x.length)])) };
      step.output.textContent = `${+step.input.value + 1} of ${count}`;
    };
    go();
    step.input.oninput = () => {
      if (!boxes["one draw"].checked) boxes["one draw"].click();
      go();
    };

    const { components, interval, start } = data.reader, read = slider("value x", x.length - 1, start);
    const known = components.map(({ label, colour, ...ends }) =>
      ({ label, colour, ...Object.fromEntries(Object.entries(ends).map(([end, text]) => [end, numbers(text)])) }));
    const reading = make("p", "", { className: "reading" }), percent = p => `${(100 * p).toFixed(p > 0.001 && p < 0.0995 || p > 0.9005 && p < 0.999 ? 1 : 0)}%`;
    reading.setAttribute("aria-live", "polite");
    const spans = named("place"), span = x[x.length - 1] - x[0],
      digits = Math.max(0, 3 - Math.floor(Math.log10(span))), long = digits > 6 || span > 1e7;
    const look = () => {
      const i = +read.input.value, at = long ? x[i].toExponential(3) : x[i].toFixed(digits);
      spans.forEach(span => { span.location = x[i]; });
      read.output.textContent = at;
      read.input.setAttribute("aria-valuetext", at);
      reading.replaceChildren(make("span", `A value of ${at} belongs to`), ...known.map(({ label, colour, mean, low, high }) => {
        const words = make("span");
        words.append(swatch(colour, "solid"), `${label}: ${percent(mean[i])} (${percent(low[i])} to ${percent(high[i])})`);
        return words;
      }));
    };
    look();
    read.input.oninput = look;
    const follow = event => {
      read.input.value = Math.round((event.x - x[0]) / (x[x.length - 1] - x[0]) * (x.length - 1));
      look();
    };
    for (const model of models) if (model.type === "Figure") ["mousemove", "tap"].forEach(kind => model.on_event(kind, follow));
    hands.append(read.label, reading, set, step.label,
      make("p", `In brackets the ${Math.round(100 * interval)}% interval. Move over the figure, or the handles with the arrow keys.`,
        { className: "reading quiet" }));
  };
  document.querySelectorAll("figure.playable").forEach(figure => play(figure).catch(error => {
    figure.classList.remove("playing");
    figure.querySelector(".play").hidden = true;
    console.error(error);
  }));
})();
