// What pages do by themselves: menus that close, copying, asking before what cannot be undone, and fresh figures.
"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  document.addEventListener("click", (event) => {
    for (const menu of all("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of all("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  for (const button of all("[data-copies]")) {
    const said = button.textContent;
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent.trim());
      button.textContent = button.dataset.done;
      setTimeout(() => { button.textContent = said; }, 2000);
    });
  }

  for (const form of all("form[data-confirm]")) {
    form.addEventListener("submit", (event) => {
      if (!confirm(form.dataset.confirm)) event.preventDefault();
    });
  }
  // A form is sent once: its button waits with it.
  for (const form of all("form[method=post]:not([data-downloads])")) {
    form.addEventListener("submit", (event) => {
      if (event.defaultPrevented) return;
      setTimeout(() => { for (const button of all("button", form)) button.disabled = true; });
    });
  }
  addEventListener("pageshow", () => { for (const button of all("form[method=post] button")) button.disabled = false; });
  for (const choice of all("[data-submits]")) choice.addEventListener("change", () => choice.form.requestSubmit());
  document.querySelector("[data-focus]")?.focus();

  // Fresh figures: the server says that something is new, at most once a second, and this part of the page is asked for
  // again. A page that nobody looks at listens to nothing.
  const live = document.querySelector("[data-live]");
  if (live && window.EventSource) {
    let source = null;
    let isWaiting = false;
    const refresh = async () => {
      if (isWaiting) return;
      isWaiting = true;
      const held = document.activeElement && document.getElementById("live").contains(document.activeElement);
      try {
        if (!held) await window.htmx?.ajax("GET", location.pathname + location.search, { target: "#live", select: "#live", swap: "outerHTML" });
      } finally {
        isWaiting = false;
      }
    };
    const listen = () => {
      if (document.hidden) {
        source?.close();
        source = null;
      } else if (!source) {
        source = new EventSource(live.dataset.live);
        source.addEventListener("new", refresh);
      }
    };
    document.addEventListener("visibilitychange", listen);
    listen();
  }
})();
