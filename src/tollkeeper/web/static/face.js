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

  // On a narrow screen the rows of a table stand as cards, in which every cell says by itself what it is of.
  const nameCells = () => {
    for (const table of all(".scroll > table:not(.stacks)")) {
      const titles = all("thead th", table).map((each) => (each.querySelector(".unseen") ? "" : each.textContent.trim()));
      if (titles.length < 3) continue;
      for (const row of all("tbody tr, tfoot tr", table)) {
        if (row.cells.length === titles.length) titles.forEach((title, at) => { row.cells[at].dataset.title = title; });
      }
      table.classList.add("stacks");
    }
  };
  document.addEventListener("htmx:afterSettle", nameCells);
  nameCells();
  const entry = document.querySelector("nav.main [aria-current]");
  const menu = entry?.closest("nav");
  if (menu && menu.scrollWidth > menu.clientWidth) menu.scrollLeft = entry.offsetLeft - (menu.clientWidth - entry.offsetWidth) / 2;

  for (const box of all("[data-reveals]")) {
    box.addEventListener("change", () => {
      document.getElementById(box.dataset.reveals).type = box.checked ? "text" : "password";
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
  // What only one choice needs is there for it alone; without a script always.
  for (const field of all("[data-shown-by]")) {
    const [name, value] = field.dataset.shownBy.split("=");
    const choice = field.closest("form").elements[name];
    const show = () => { field.hidden = field.querySelector("input").disabled = choice.value !== value; };
    choice.addEventListener("change", show);
    show();
  }
  for (const choice of all("[data-submits]")) choice.addEventListener("change", () => choice.form.requestSubmit());

  // What was refused is marked where it stands, in the form that was sent, and the reader is led there; else to the message.
  const ONCE_LENGTH = 22;
  const isSent = (form, { does, mark }) => {
    const buttons = all("[name=do]", form).map((each) => each.value);
    const suffix = (form.querySelector("[name=once]")?.value ?? "").slice(ONCE_LENGTH);
    return (does ? buttons.includes(does) : buttons.length === 0) && suffix === mark;
  };
  const markRefused = (fault) => {
    const beside = fault.closest("form")?.querySelector('[aria-invalid="true"]');
    if (beside || !fault.dataset.fields) return beside;
    const names = fault.dataset.fields.split(" ");
    const form = all("form[method=post]").find((each) => isSent(each, fault.dataset));
    const field = form && [...form.elements].find((each) => names.includes(each.name) && each.type !== "hidden" && !each.disabled);
    if (!field) return null;
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-describedby", [field.getAttribute("aria-describedby"), fault.id].filter(Boolean).join(" "));
    for (let hiding = field.closest("details"); hiding; hiding = hiding.parentElement.closest("details")) hiding.open = true;
    return field;
  };
  const told = document.querySelector("[data-focus]");
  if (told) (markRefused(told) ?? told).focus();

  // Fresh figures: the server says that something is new, at most once a second, and this part of the page is asked for
  // again. A page that nobody looks at listens to nothing; what it missed is told when somebody looks again, for the page
  // says what it knows.
  const AGAIN_MS = 2000;
  const AGAIN_MOST_MS = 60000;
  const live = () => document.querySelector("[data-live]");
  if (live() && window.EventSource) {
    let source = null;
    let isAsking = false;
    let isStale = false;
    let wait = AGAIN_MS;
    const mayAsk = () => isStale && !document.hidden && !live().contains(document.activeElement);
    const refresh = async () => {
      if (isAsking) return;
      isAsking = true;
      try {
        while (mayAsk()) {
          isStale = false;
          await window.htmx?.ajax("GET", location.pathname + location.search, { target: "#live", select: "#live", swap: "outerHTML" });
        }
      } catch {
        isStale = true; // the server is away; it says what is new when it is back
      } finally {
        isAsking = false;
      }
    };
    const listen = () => {
      if (document.hidden || source) return;
      const made = source = new EventSource(live().dataset.live);
      made.addEventListener("open", () => { wait = AGAIN_MS; });
      made.addEventListener("new", () => { isStale = true; refresh(); });
      made.addEventListener("error", () => {
        if (made.readyState !== EventSource.CLOSED || source !== made) return; // else the browser tries again by itself
        source = null; // the sign-in is over, or a proxy has answered for a server that restarts
        isStale = true;
        refresh();
        setTimeout(listen, wait);
        wait = Math.min(2 * wait, AGAIN_MOST_MS);
      });
    };
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) {
        source?.close();
        source = null;
      }
      listen();
      refresh();
    });
    document.addEventListener("htmx:beforeSwap", (event) => {
      if (new URL(event.detail.xhr.responseURL).pathname === location.pathname) return;
      event.detail.shouldSwap = false; // another page came: the sign-in is over
      location.reload();
    });
    document.addEventListener("htmx:responseError", (event) => {
      if ([401, 403, 404].includes(event.detail.xhr.status)) location.reload(); // it says why
    });
    document.addEventListener("focusout", () => setTimeout(refresh)); // what waited for the reader to be done
    listen();
  }
})();
