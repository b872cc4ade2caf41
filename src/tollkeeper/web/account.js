// The account pages at work: each form calls one route of the JSON API and says in the reader's language what came of it.
"use strict";
(() => {
  const page = document.documentElement.dataset.page;
  const texts = JSON.parse(document.getElementById("texts").textContent);
  const faultBox = document.getElementById("fault");
  const SESSION = "tollkeeper.session";
  const INVITATION = "tollkeeper.link.accept-invitation";
  const LINK = `tollkeeper.link.${page}`;
  const NEXT = "tollkeeper.next";

  // What is kept lives as long as the tab: it outlives a reload and the way to an identity provider and back.
  const memory = new Map();
  function kept(name) {
    try { return sessionStorage.getItem(name); } catch { return memory.get(name) ?? null; }
  }
  function keep(name, value) {
    memory.set(name, value);
    try {
      if (value === null) sessionStorage.removeItem(name); else sessionStorage.setItem(name, value);
    } catch { /* a browser that keeps nothing for us: the memory must do */ }
  }

  class Refusal extends Error {
    constructor(told) {
      super(told.message ?? "");
      this.code = told.code;
      this.param = told.param ?? "";
      this.seconds = told.retry_after_seconds;
    }
  }

  async function call(method, path, body) {
    const headers = {};
    const session = kept(SESSION);
    if (session) headers.authorization = `Bearer ${session}`;
    if (body) headers["content-type"] = "application/json";
    let answer;
    try {
      answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), cache: "no-store" });
    } catch {
      throw new Refusal({ code: "unreachable" });
    }
    const told = await answer.json().catch(() => null);
    if (answer.ok && told) return told;
    throw new Refusal(told?.error ?? { code: "unknown", message: `HTTP ${answer.status}` });
  }

  // Who is signed in: by the session that this tab keeps, else by the cookie that a provider's login left.
  async function findPerson() {
    if (!kept(SESSION) && !("session" in document.documentElement.dataset)) return null;
    try {
      return await call("GET", "v1/account");
    } catch (refusal) {
      if (refusal.code !== "invalid_api_key") throw refusal;
      if (!kept(SESSION)) return null;
      keep(SESSION, null);
      return findPerson();
    }
  }

  async function signIn(email, password) {
    await call("POST", "v1/auth/login", { email, password, cookie: true });
    keep(SESSION, null);
  }

  async function signOut() {
    try {
      await call("POST", "v1/auth/logout");
    } catch (refusal) {
      if (refusal.code !== "invalid_api_key") throw refusal; // it was over already
    }
    keep(SESSION, null);
    location.reload();
  }

  const find = (selector) => document.querySelector(selector);
  const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");

  function show(state) {
    for (const section of document.querySelectorAll("[data-state]")) section.hidden = section.dataset.state !== state;
    find("#lead").hidden = state !== "form" && state !== "stranger";
    const shown = find(`[data-state="${state}"]`);
    if (shown.hasAttribute("tabindex")) shown.focus();
  }

  // What the API says, in the reader's language; null when nobody has translated it.
  async function translated(message) {
    if (document.documentElement.lang === "en") return message;
    try {
      const answer = await fetch(`refusal?said=${encodeURIComponent(message)}`);
      const said = answer.ok ? await answer.text() : message;
      return said === message ? null : said;
    } catch {
      return null;
    }
  }

  async function showFault(refusal) {
    if (!(refusal instanceof Refusal)) throw refusal; // a bug: for the console
    let text = texts.errors[`${refusal.code}.${refusal.param}`] ?? texts.errors[refusal.code] ?? texts.errors.unknown;
    const message = text.includes("{message}") ? await translated(refusal.message) : "";
    if (message === null && text === "{message}") text = texts.errors.unknown;
    const [own, theirs] = text.split("{message}");
    faultBox.textContent = filled(own, refusal);
    if (theirs !== undefined) {
      const said = document.createElement("span");
      if (message === null) said.lang = "en";
      said.textContent = message ?? refusal.message;
      faultBox.append(said, theirs);
    }
    faultBox.hidden = false;
    const field = refusal.param && find(`input[name="${CSS.escape(refusal.param)}"]`);
    if (field) {
      field.setAttribute("aria-invalid", "true");
      field.focus();
    }
  }

  function clearFault() {
    faultBox.hidden = true;
    for (const field of document.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  }

  function goOn() {
    const next = kept(NEXT);
    keep(NEXT, null);
    location.replace(kept(INVITATION) ? "accept-invitation" : next ?? ".");
  }

  // Why a provider's login was refused comes once, in a cookie of this page's.
  async function takeRefusal() {
    const found = document.cookie.split("; ").find((each) => each.startsWith("tollkeeper_refused="));
    if (!found) return;
    document.cookie = "tollkeeper_refused=; path=/sign-in; max-age=0";
    let message = "";
    try { message = decodeURIComponent(found.slice(found.indexOf("=") + 1)); } catch { /* somebody else's */ }
    if (message) await showFault(new Refusal({ code: "unknown", message }));
  }

  function showPerson(person) {
    find("[data-person]").textContent = filled(texts.person, person);
  }

  function showSent(email) {
    find("[data-sent]").textContent = filled(texts.sent, { email });
    show("done");
  }

  async function offerProviders() {
    const { data } = await call("GET", "v1/auth/oidc");
    const box = find(".providers");
    // the whole path, so that the way back works below a proxy's prefix too
    const next = new URL("sign-in", location.href).pathname;
    for (const { name, start } of data) {
      const link = document.createElement("a");
      link.className = "button quiet";
      link.href = `.${start}?next=${encodeURIComponent(next)}`;
      link.textContent = filled(texts.provider, { name: texts.providers[name] ?? name });
      link.addEventListener("click", () => keep(NEXT, kept(NEXT) ?? "."));
      box.append(link);
    }
    box.hidden = data.length === 0;
  }

  async function showSignedIn(person) {
    const { data } = await call("GET", "v1/account/organizations");
    showPerson(person);
    for (const { id, name } of data) {
      const item = document.createElement("li");
      const link = document.createElement("a");
      link.href = `${encodeURIComponent(id)}/overview`;
      link.dir = "auto";
      link.textContent = name;
      item.append(link);
      find("[data-organizations]").append(item);
    }
    find("[data-no-organizations]").hidden = data.length > 0;
    show("signed-in");
  }

  // Whoever may not make an account is not led to where one is made.
  function hideSignUp() {
    const rule = document.documentElement.dataset.signUp;
    const isOffered = rule === "open" || (rule === "invited" && kept(INVITATION) !== null);
    for (const link of document.querySelectorAll('a[href="sign-up"]')) link.hidden = !isOffered;
  }

  function openLink() {
    show(kept(LINK) ? "form" : "broken");
  }

  const pages = {
    "sign-in": {
      async open() {
        const person = await findPerson();
        if (!person) {
          show("form");
          await takeRefusal();
          await offerProviders();
        } else if (kept(INVITATION) || kept(NEXT)) {
          goOn(); // a provider has let them in, or they were asked to sign in and have done so elsewhere
        } else {
          await showSignedIn(person);
        }
      },
      async submit({ email, password }) {
        await signIn(email, password);
        goOn();
      },
    },
    "sign-up": {
      async open() {
        show("form");
        find("[data-invited]").hidden = !kept(INVITATION);
        await offerProviders();
      },
      async submit({ name, email, password }) {
        const invitation = kept(INVITATION) ?? "";
        const language = document.documentElement.lang;
        const made = await call("POST", "v1/auth/sign-up", { name, email, password, language, invitation });
        if (made.next === "verify_email") {
          showSent(made.email);
          return;
        }
        keep(INVITATION, null);
        await signIn(email, password);
        goOn();
      },
    },
    "forgot-password": {
      open: () => show("form"),
      async submit({ email }) {
        await call("POST", "v1/auth/forgot-password", { email });
        showSent(email);
      },
    },
    "reset-password": {
      open: openLink,
      async submit({ password }) {
        await call("POST", "v1/auth/reset-password", { token: kept(LINK), password });
        keep(SESSION, null);
        keep(LINK, null);
        show("done");
      },
    },
    "verify-email": {
      open: openLink,
      async submit() {
        await call("POST", "v1/auth/verify-email", { token: kept(LINK) });
        keep(LINK, null);
        show("done");
      },
    },
    "accept-invitation": {
      async open() {
        if (!kept(LINK)) {
          show("broken");
          return;
        }
        const offer = await call("POST", "v1/auth/invitation", { token: kept(LINK) });
        find("#lead").textContent = filled(offer.inviter ? texts.offer : texts.offer_unnamed, offer);
        const person = await findPerson();
        if (person) showPerson(person);
        show(person ? "form" : "stranger");
      },
      async submit() {
        await call("POST", "v1/auth/accept-invitation", { token: kept(LINK) });
        keep(LINK, null);
        show("done");
      },
    },
  };

  function isOurs(text) {
    try { return new URL(text, location.href).origin === location.origin; } catch { return false; }
  }

  // A link's token is a secret: it leaves the address bar, the history and what a bookmark would hold at once.
  function takeToken() {
    const address = new URL(location.href);
    const token = address.searchParams.get("token");
    if (token) keep(LINK, token);
    const next = address.searchParams.get("next");
    if (next?.startsWith("/") && isOurs(next)) keep(NEXT, next);
    if (address.search) history.replaceState(null, "", address.pathname);
  }

  async function attempt(work) {
    clearFault();
    try {
      await work();
    } catch (refusal) {
      if (refusal.param === "token") {
        keep(page === "sign-up" ? INVITATION : LINK, null);
        if (find('[data-state="broken"]')) show("broken");
      }
      await showFault(refusal);
    }
  }

  // With its buttons disabled, so that nothing is sent twice.
  async function attemptOnce(work) {
    const buttons = [...document.querySelectorAll("button")];
    for (const button of buttons) button.disabled = true;
    await attempt(work);
    for (const button of buttons) button.disabled = false;
  }

  for (const form of document.querySelectorAll("form")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const values = Object.fromEntries(new FormData(form));
      attemptOnce(() => pages[page].submit(values));
    });
  }
  for (const box of document.querySelectorAll("[data-reveals]")) {
    box.addEventListener("change", () => {
      document.getElementById(box.dataset.reveals).type = box.checked ? "text" : "password";
    });
  }
  for (const button of document.querySelectorAll("[data-signs-out]")) {
    button.addEventListener("click", () => attemptOnce(signOut));
  }
  takeToken();
  hideSignUp();
  attempt(async () => {
    try {
      await pages[page].open();
    } catch (refusal) {
      if (document.querySelector("[data-state]:not([hidden])") === null) show("form");
      throw refusal;
    }
  });
})();
