// Draws the charts. Heights are for the eye; what is read in a tooltip is the exact text that the server wrote.
"use strict";
(() => {
  const drawn = new Map();

  function colours() {
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue(name).trim();
    return {
      ink: of("--ink"), quiet: of("--quiet"), line: of("--line"), card: of("--card"),
      series: [of("--accent"), "#c7a252", "#4a7fb5", "#d9482b", "#8b6bb1", "#5aa9a3", "#b56a8b", "#7f8b3b", "#6d7a86"],
    };
  }

  function options(chart, look) {
    const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
    return {
      animation: !isStill,
      animationDuration: 250,
      color: look.series,
      textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
      aria: { enabled: false },
      grid: { left: 8, right: 12, top: chart.series.length > 1 ? 40 : 16, bottom: 8, containLabel: true },
      legend: chart.series.length > 1 ? { type: "scroll", top: 0, textStyle: { color: look.ink }, pageTextStyle: { color: look.ink } } : undefined,
      tooltip: {
        trigger: "axis",
        renderMode: "richText",
        confine: true,
        backgroundColor: look.card,
        borderColor: look.line,
        textStyle: { color: look.ink },
        formatter: (points) => {
          const at = points[0].dataIndex;
          const rows = points
            .filter((point) => point.value != null && (chart.series.length === 1 || point.value !== 0))
            .map((point) => (chart.series.length > 1 ? `${point.seriesName}  ` : "") + chart.series[point.seriesIndex].texts[at]);
          return [chart.labels[at], ...rows.slice(0, 12)].join("\n");
        },
      },
      xAxis: {
        type: "category", data: chart.labels, axisTick: { show: false },
        axisLine: { lineStyle: { color: look.line } }, axisLabel: { color: look.quiet, hideOverlap: true },
      },
      yAxis: {
        type: "value", splitNumber: 4, splitLine: { lineStyle: { color: look.line } },
        axisLabel: { color: look.quiet, formatter: (value) => axisText(chart, value) },
      },
      series: chart.series.map((each) => ({
        name: each.name, type: chart.kind, stack: chart.is_stacked ? "all" : undefined, data: each.values,
        barMaxWidth: 28, showSymbol: false, emphasis: { focus: "series" },
        itemStyle: chart.kind === "bar" && !chart.is_stacked ? { borderRadius: [3, 3, 0, 0] } : undefined,
      })),
    };
  }

  function axisText(chart, value) {
    if (chart.unit !== "usd") return new Intl.NumberFormat(document.documentElement.lang, { notation: "compact" }).format(value);
    return new Intl.NumberFormat(document.documentElement.lang, {
      style: "currency", currency: "USD", notation: "compact", maximumSignificantDigits: 3, currencyDisplay: "narrowSymbol",
    }).format(value / 1e9);
  }

  function draw(box) {
    const chart = JSON.parse(box.parentElement.querySelector("script[type='application/json']").textContent);
    drawn.get(box)?.dispose();
    const made = echarts.init(box, null, { renderer: "canvas" });
    made.setOption(options(chart, colours()));
    drawn.set(box, made);
  }

  function drawAll() {
    for (const [box, made] of drawn) {
      if (!box.isConnected) {
        made.dispose();
        drawn.delete(box);
      }
    }
    for (const box of document.querySelectorAll("[data-chart]")) if (!drawn.has(box)) draw(box);
  }

  addEventListener("resize", () => { for (const made of drawn.values()) made.resize(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { for (const box of drawn.keys()) draw(box); });
  document.addEventListener("htmx:afterSettle", drawAll);
  drawAll();
})();
