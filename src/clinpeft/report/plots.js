"use strict";
{
  const root = document.documentElement;
  const isCoarse = matchMedia("(pointer: coarse)").matches;
  const config = {
    displaylogo: false,
    displayModeBar: isCoarse ? false : "hover",
    doubleClickDelay: 400,
    modeBarButtons: [["resetScale2d", "toImage"]],
    toImageButtonOptions: { format: "svg", filename: "clinpeft" },
  };
  const states = new Map();

  /* Plotly lies in the page as text, and is run when the page has been shown, or when something must be drawn. */
  const plotly = () => {
    if (!window.Plotly) {
      const script = document.createElement("script");
      script.textContent = document.getElementById("plotly").textContent;
      document.head.append(script);
    }
    return window.Plotly;
  };
  addEventListener("load", () => (window.requestIdleCallback ?? setTimeout)(plotly));

  const stateOf = (host) => {
    if (!states.has(host)) {
      const area = document.createElement("div");
      host.append(area);
      states.set(host, { area, text: host.querySelector("script").textContent, cost: 0, off: new Set(), at: -1 });
    }
    return states.get(host);
  };
  const isOn = (owner, off) => Object.entries(owner ?? {}).every(([key, name]) => !off.has(`${key}:${name}`));

  /* The figure of a host as it is to be shown now: in the page's colours, against the chosen cost, without what is off. */
  const figureOf = ({ text, cost, off }) => {
    const look = getComputedStyle(root);
    const figure = JSON.parse(text.replace(/var\((--[\w-]+)\)/g, (_, name) => look.getPropertyValue(name).trim()));
    const moved = cost ? figure.others[cost - 1] : { data: [], layout: {} };
    const data = figure.data.map((trace, place) => ({ ...trace, ...moved.data[place] }));
    for (const trace of data) trace.visible = isOn(trace.meta, off);
    return { data, layout: { ...figure.layout, ...moved.layout }, costs: figure.costs ?? [] };
  };

  const layoutOf = ({ xaxis, yaxis, shapes, annotations }, width, height) => {
    const look = getComputedStyle(root);
    const colour = (name) => look.getPropertyValue(`--${name}`).trim();
    const font = { family: getComputedStyle(document.body).fontFamily, size: width < 250 ? 9.5 : 12, color: colour("soft") };
    const title = (axis, place) => ({
      ...place, text: axis.title.text, xref: "paper", yref: "paper", showarrow: false, font: { ...font, color: colour("ink"), weight: 600 },
    });
    const axis = { gridcolor: colour("line"), linecolor: colour("soft"), zeroline: false, fixedrange: isCoarse, automargin: false };
    const margin = { l: 46, r: 12, t: 26, b: 44 };
    const every = Math.ceil(((xaxis.tickvals?.length ?? 0) * 54) / (width - margin.l - margin.r)) || 1;
    const thinned = (ticks) => ticks?.filter((_, place) => place % every === 0);
    return {
      width, height, margin, font,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      showlegend: false,
      hovermode: "closest",
      dragmode: isCoarse ? false : "zoom",
      hoverlabel: { bgcolor: colour("card"), bordercolor: colour("soft"), font: { ...font, color: colour("ink") }, align: "left" },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("soft"), activecolor: colour("accent") },
      xaxis: { ...axis, showgrid: false, showline: true, ticks: "outside", tickcolor: colour("soft"), nticks: 6, tickangle: 0, ...xaxis, tickvals: thinned(xaxis.tickvals), ticktext: thinned(xaxis.ticktext), title: { text: "" } },
      yaxis: { ...axis, showline: false, nticks: 7, ...yaxis, title: { text: "" } },
      shapes,
      annotations: [
        ...(annotations ?? []).map((name) => ({ showarrow: false, borderpad: 0, ...name })),
        title(yaxis, { x: 0, y: 1, xanchor: "left", yanchor: "bottom", xshift: -margin.l + 4, yshift: 6 }),
        title(xaxis, { x: 1, y: 0, xanchor: "right", yanchor: "top", yshift: -24 }),
      ],
    };
  };

  /* Names stand beside their marks where they touch no mark and no other name; the choice has its name always. */
  const placeNames = (data, layout, off) => {
    const inner = { width: layout.width - layout.margin.l - layout.margin.r, height: layout.height - layout.margin.t - layout.margin.b };
    const along = (value, [start, end]) => (value - start) / (end - start);
    const spot = (x, y) => [along(x, layout.xaxis.range) * inner.width, (1 - along(y, layout.yaxis.range)) * inner.height];
    const onAxis = (x) => (layout.xaxis.type === "log" ? Math.log10(x) : x);
    const taken = data
      .filter((trace) => trace.mode === "markers" && trace.visible)
      .flatMap((trace) => trace.x.map((x, place) => x !== null && spot(onAxis(x), trace.y[place])).filter(Boolean))
      .map(([x, y]) => [x - 8, y - 8, x + 8, y + 8]);
    const isFree = (box) => box[0] >= 0 && box[1] >= -12 && box[2] <= inner.width && box[3] <= inner.height
      && !taken.some((other) => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3]);
    const names = layout.annotations.filter((name) => name.owner);
    for (const name of names.sort((one, other) => other.is_choice - one.is_choice)) {
      const [x, y] = spot(name.x, name.y);
      const [wide, near] = [(name.is_choice ? 7.2 : 6.6) * name.text.length, name.is_choice ? 13 : 9];
      const middle = Math.min(Math.max(-wide / 2, -x), inner.width - x - wide);
      const spots = [[near, -19], [-near - wide, -19], [near, 3], [-near - wide, 3]];
      if (name.is_choice) spots.push([middle, 24], [middle, -40]);
      const boxAt = ([right, down]) => [x + right, y + down, x + right + wide, y + down + 16];
      const free = spots.find((at) => isFree(boxAt(at))) ?? (name.is_choice ? spots.at(-1) : undefined);
      name.visible = isOn(name.owner, off) && free !== undefined;
      if (!name.visible) continue;
      taken.push(boxAt(free));
      const isLeft = free[0] < -wide;
      Object.assign(name, { xanchor: isLeft ? "right" : "left", xshift: isLeft ? -near : free[0], yanchor: "top", yshift: -free[1] });
      name.font = { ...layout.font, color: layout.hoverlabel.font.color, weight: name.is_choice ? 700 : 400 };
    }
  };

  const draw = (host) => {
    const state = stateOf(host);
    const { data, layout, costs } = figureOf(state);
    state.width = host.clientWidth;
    const whole = layoutOf(layout, state.width, host.clientHeight);
    placeNames(data, whole, state.off);
    plotly().react(state.area, data, whole, config);
    plotly().Fx.unhover(state.area);
    Object.assign(state, { data, at: -1 });
    if (!state.isReady) offerControls(host, state, costs);
    state.isReady = true;
  };
  const redraw = () => {
    for (const [host, state] of states) if (state.isReady) draw(host);
  };

  /* A list of costs above the figure; its legend's models and methods as buttons that switch them off and on. */
  const offerControls = (host, state, costs) => {
    const figure = host.closest("figure");
    if (costs.length > 1) {
      const list = document.createElement("select");
      for (const name of costs) list.add(new Option(name));
      const label = document.createElement("label");
      label.className = "against";
      label.append("against", list);
      host.before(label);
      list.addEventListener("change", () => {
        state.cost = list.selectedIndex;
        draw(host);
      });
    }
    for (const item of figure.querySelectorAll("[data-switch]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-pressed", "true");
      button.append(...item.childNodes);
      item.append(button);
      button.addEventListener("click", () => {
        const isOff = state.off.delete(item.dataset.switch);
        if (!isOff) state.off.add(item.dataset.switch);
        button.setAttribute("aria-pressed", String(isOff));
        draw(host);
      });
    }
  };

  /* Arrow keys go from point to point, left to right; Escape leaves. */
  const step = (host, by) => {
    const state = stateOf(host);
    const points = state.data
      .flatMap((trace, curveNumber) => (trace.visible && trace.hovertemplate ? trace.x.map((x, pointNumber) => ({ x, curveNumber, pointNumber })) : []))
      .filter((point) => point.x !== null)
      .sort((a, b) => a.x - b.x);
    if (!points.length) return;
    state.at = (state.at + by + points.length) % points.length;
    plotly().Fx.hover(state.area, [points[state.at]]);
  };

  const watcher = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      watcher.unobserve(target);
      draw(target);
    }
  }, { rootMargin: "300px" });
  const hosts = [...document.querySelectorAll(".plot")];
  for (const host of hosts) {
    watcher.observe(host);
    host.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (by && event.target === host) step(host, by);
      if (event.key === "Escape") plotly().Fx.unhover(stateOf(host).area);
      if (by && event.target === host) event.preventDefault();
    });
  }
  let waiting;
  const sizes = new ResizeObserver(() => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      for (const [host, state] of states) if (state.isReady && host.clientWidth && host.clientWidth !== state.width) draw(host);
    }, 150);
  });
  for (const host of hosts) sizes.observe(host);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("beforeprint", () => {
    root.classList.add("printed");
    hosts.forEach(draw);
  });
  addEventListener("afterprint", () => {
    root.classList.remove("printed");
    redraw();
  });
}
