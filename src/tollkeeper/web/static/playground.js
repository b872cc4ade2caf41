// The playground: estimates a call, sends it with the page's own key, shows the answer as it comes, then what it cost.
"use strict";
(() => {
  const island = document.getElementById("session");
  const form = document.getElementById("ask");
  if (!island || !form) return;
  const session = JSON.parse(island.textContent);
  island.remove(); // the key stays in this function alone
  const field = (name) => form.elements[name];
  const place = (name) => document.getElementById(name);
  const said = form.dataset;
  const RECORD_TRIES = 20;
  const RECORD_WAIT_MS = 500;
  const ESTIMATE_WAIT_MS = 400;

  const estimate = async (signal) => {
    const body = new URLSearchParams({ csrf: session.csrf });
    for (const name of ["model", "system", "message", "max_tokens"]) body.set(name, field(name).value);
    const answer = await fetch(session.estimate, { method: "POST", body, signal, cache: "no-store" });
    const found = await answer.json();
    place("estimate").textContent = found.estimate ?? found.fault;
    return answer.ok ? found : null;
  };

  let waiting = 0;
  let asking = null;
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      asking?.abort();
      asking = new AbortController();
      if (form.checkValidity()) estimate(asking.signal).catch(() => null);
    }, ESTIMATE_WAIT_MS);
  });

  const request = (found) => {
    const messages = [{ role: "user", content: field("message").value }];
    if (field("system").value) messages.unshift({ role: "system", content: field("system").value });
    const body = { model: field("model").value.trim(), messages, stream: true, [found.limit_name]: found.max_tokens };
    if (field("temperature").value) body.temperature = Number(field("temperature").value);
    return body;
  };

  // Returns why the answer ended, and throws what the stream says of a fault.
  const read = async (answer) => {
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    let reason = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return reason;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        if (!line.startsWith("data:")) continue;
        const data = line.slice(5).trim();
        if (!data || data === "[DONE]") continue;
        const event = JSON.parse(data);
        if (event.error) throw new Refused(event.error.message);
        const choice = event.choices?.[0];
        if (choice?.delta?.content) place("answer").append(choice.delta.content); // text, never markup
        reason = choice?.finish_reason ?? reason;
      }
    }
  };

  class Refused extends Error {}

  const tellCost = async (call) => {
    place("cost").textContent = said.counting;
    for (let tries = 0; tries < RECORD_TRIES; tries += 1) {
      await new Promise((resume) => { setTimeout(resume, RECORD_WAIT_MS); });
      const answer = await fetch(`${session.cost}?call=${encodeURIComponent(call)}`, { cache: "no-store" });
      const found = answer.ok ? await answer.json() : null;
      if (place("call").textContent !== call) return; // another call is shown meanwhile
      if (!found?.cost) continue;
      place("cost").textContent = found.cost;
      place("usage").textContent = found.usage || "—";
      place("link").href = `${session.calls}/${encodeURIComponent(call)}`;
      return;
    }
    place("cost").textContent = said.late;
  };

  const send = async (stop) => {
    const found = await estimate(stop.signal);
    if (!found) return;
    place("result").hidden = false;
    for (const name of ["answer", "call"]) place(name).textContent = "";
    for (const name of ["cost", "usage"]) place(name).textContent = "—";
    place("link").removeAttribute("href");
    place("state").textContent = said.sending;
    const answer = await fetch("/v1/chat/completions", {
      method: "POST", credentials: "omit", cache: "no-store", signal: stop.signal,
      headers: { authorization: `Bearer ${session.key}`, "content-type": "application/json" },
      body: JSON.stringify(request(found)),
    });
    place("call").textContent = answer.headers.get("x-request-id") ?? "";
    if (!answer.ok) {
      const fault = await answer.json().catch(() => null);
      throw new Refused(fault?.error?.message ?? String(answer.status));
    }
    const reason = await read(answer);
    place("state").textContent = reason === "length" ? said.cut : said.done;
  };

  let stop = null;
  place("stop").addEventListener("click", () => stop?.abort());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearTimeout(waiting);
    asking?.abort();
    stop = new AbortController();
    place("send").disabled = true;
    place("stop").disabled = false;
    let isRefused = false;
    try {
      await send(stop);
    } catch (fault) {
      isRefused = fault instanceof Refused;
      place("result").hidden = false;
      place("state").textContent = fault.name === "AbortError" ? said.stopped
        : isRefused ? `${said.refused} ${fault.message}` : said.broken;
    } finally {
      place("send").disabled = false;
      place("stop").disabled = true;
    }
    const call = place("call").textContent;
    if (call && !isRefused) tellCost(call).catch(() => { place("cost").textContent = said.late; });
  });
})();
