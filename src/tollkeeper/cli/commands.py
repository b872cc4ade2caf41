"""The table of the sub-commands of `tollkeeper`: what each is called, where it is, and what it does."""

from __future__ import annotations

from tollkeeper.cli.lazy import Entry

COMMANDS: dict[str, Entry] = {
    "demo": Entry(
        "demo:demo",
        "Start the gateway, send real traffic through it, print what each call cost, and keep serving until Ctrl-C.",
    ),
    "serve": Entry(
        "serve:serve",
        "Serve. SIGTERM and Ctrl-C stop accepting, let calls in flight finish, write everything down and exit 0.",
    ),
    "init": Entry(
        "init:init",
        "Create an organization with its default project, an administration key and a project key, shown once.",
    ),
    "first-run": Entry(
        "first_run:first_run", "Print the link by which the first person gets an account, in a browser."
    ),
    "apply": Entry(
        "apply:apply",
        "Make an organization be as its file says: show what would change, ask, and do all of it or nothing.",
    ),
    "export": Entry(
        "export:export",
        "Write an organization as YAML, without any secret: applied again, there is nothing to change.",
    ),
    "orgs": Entry("orgs:app", "List, show and change organizations."),
    "teams": Entry("teams:app", "List, create, rename and delete teams."),
    "projects": Entry("projects:app", "List, create, show, change and delete projects."),
    "members": Entry("members:app", "List, invite and remove people, and give them roles."),
    "roles": Entry("roles:app", "List roles; create, change and delete own ones."),
    "keys": Entry("keys:app", "Create, change, rotate, stop and delete API keys."),
    "budgets": Entry("budgets:app", "Set, divide, raise and delete budgets, and show what is left of them."),
    "rates": Entry("rates:app", "List, set and delete limits of requests and tokens a minute."),
    "alerts": Entry("alerts:app", "Rules on budgets, what fired, where alerts go, what was sent."),
    "explain": Entry(
        "explain:explain",
        "Say why a call was let in or refused: every limit that was looked at, with the figures of that moment.",
    ),
    "credits": Entry("credits:app", "Grant, list, show and void credit, and say what is left of it."),
    "access": Entry("access:app", "Say who may do what, and why."),
    "providers": Entry("providers:app", "Set, list and delete the providers that an organization brings."),
    "models": Entry(
        "models:models",
        "List the models that can be called, with limits, kinds of content, prices in USD per 1M units and providers.",
    ),
    "prices": Entry("prices:app", "List and show prices; add own ones over the catalogue's."),
    "usage": Entry("usage:usage", "Show requests, tokens and their cost; the last 30 days unless said otherwise."),
    "calls": Entry(
        "calls:calls",
        "Find single calls, newest first; with a request id open that one: its steps, tries, limits and charge.",
    ),
    "costs": Entry("costs:costs", "Show costs and each part's share; this month unless said otherwise."),
    "forecast": Entry(
        "forecast:forecast", "Say what this month will come to: lowest, likely, highest, from the last eight weeks."
    ),
    "estimate": Entry(
        "estimate:estimate",
        "Say what calls would cost, exactly: token counts or a request file, on one model or on all.",
    ),
    "reports": Entry("reports:app", "List, show, preview, send and set the reports of weeks and months."),
    "audit": Entry("audit:app", "List, export and verify the audit log."),
    "db": Entry("db:app", "Upgrade and verify the database."),
    "simulate": Entry(
        "simulate:simulate",
        "Start the provider simulator: it looks like OpenAI, Anthropic, Gemini, DeepSeek and xAI, and keeps its own exact bill. `--port 9090`, `--help`.",
        {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    ),
}
