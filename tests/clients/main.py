"""Runs real clients through a real zOS and prints the matrix.

    main.py [--quick] [--write] [CLIENT …] [--check NAME …]

`--quick` runs the few checks that `make test` has room for; `--write` puts the rows of all that ran into docs/clients.md.
A client is chosen by its name, one of its APIs by `NAME API`. Ends with the sum that scripts/test counts.
"""

import argparse
import datetime
import sys
from concurrent.futures import ThreadPoolExecutor

import stage
from checks import CHECKS, Outcome
from clients import CLIENTS
from provider import Provider

PAGE = stage.ROOT / "docs" / "clients.md"
BEGIN, END = "<!-- clients: written by make test-clients -->", "<!-- clients: end -->"
QUICK = ("plain", "loop", "denied", "cut", "tool cut", "budget", "key")


def missing(client):
    """Why a client cannot run here; empty where it can."""
    if client.skipped:
        return client.skipped
    if not (stage.SCRATCH / client.place / "ready").exists():
        return "not installed: scripts/setup clients"
    return ""


def examine(client, checks):
    """Every check of one client, one after another: by name, what came of each."""
    found = {}
    # What one prompt costs when nothing is wrong: some clients make a title beside.
    once = None
    for check in checks:
        if not check.fits(client):
            continue
        provider = Provider()
        try:
            with stage.house(provider, check.behind or client.api) as house:
                bound = max(once or 1, client.again.get(check.name, 0))
                outcome = check.run(client, house, provider, bound)
                outcome.is_again = check.name in client.again and outcome.asked > (once or 1)
        except Exception as error:  # a client's row must not end the run of all others
            outcome = Outcome(0, [f"the check itself failed: {error!r}"])
        finally:
            provider.close()
        if once is None:
            once = outcome.asked
        found[check.name] = outcome
        told = "ok" if not outcome.faults else "FAILED " + "; ".join(outcome.faults)
        print(f"{client.name:24} {check.name:12} asked {outcome.asked:2}  {told}", flush=True)
    return found


def head(names):
    return ["| Client | Version | Tried | " + " | ".join(names) + " |", "|---" * (len(names) + 3) + "|"]


def rows(results, skipped, names):
    """A row of Markdown for each client that ran or cannot run, by its name."""
    today = datetime.datetime.now(datetime.UTC).date()
    told = {}
    for client, found in results:
        marks = [found[name].mark if name in found else "–" for name in names]
        told[client.name] = f"| {client.name} | {client.version} | {today} | " + " | ".join(marks) + " |"
    for client, reason in skipped:
        told[client.name] = f"| {client.name} | {client.version} | skipped: {reason} |" + " |" * len(names)
    return told


def write(told, names):
    """Puts rows into the page: those of other clients stay, in the order of `CLIENTS`."""
    before, rest = PAGE.read_text().split(BEGIN)
    table, after = rest.split(END)
    lines = table.strip().splitlines()
    kept = {line.split("|")[1].strip(): line for line in lines[2:]} if lines[:2] == head(names) else {}
    all_rows = kept | told
    ordered = [all_rows[client.name] for client in CLIENTS if client.name in all_rows]
    PAGE.write_text(f"{before}{BEGIN}\n\n" + "\n".join(head(names) + ordered) + f"\n\n{END}{after}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("clients", nargs="*")
    parser.add_argument("--check", action="append", default=[])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    wanted = chosen.check or (QUICK if chosen.quick else [check.name for check in CHECKS])
    # The first check tells what a prompt costs, so it always runs.
    checks = [check for check in CHECKS if check.name in wanted or check is CHECKS[0]]
    clients = [client for client in CLIENTS if not chosen.clients or {client.name, client.place} & set(chosen.clients)]
    if chosen.quick:
        clients = [client for client in clients if chosen.clients or client.name in ("claude-code", "codex", "opencode chat")]
    skipped = [(client, missing(client)) for client in clients if missing(client)]
    able = [client for client in clients if not missing(client)]
    with ThreadPoolExecutor(2) as pool:
        results = list(zip(able, pool.map(lambda client: examine(client, checks), able)))
    names = [check.name for check in checks]
    told = rows(results, skipped, names)
    print("\n".join(["", *head(names), *told.values(), ""]))
    outcomes = [outcome for _, found in results for outcome in found.values()]
    failed = sum(bool(outcome.faults) for outcome in outcomes)
    if chosen.quick and skipped:
        failed += len(skipped)  # what `make test` installs must run
    if chosen.write:
        if len(checks) < len(CHECKS):
            sys.exit("only a run of all checks is written: leave --quick and --check out")
        write(told, names)
    print(f"{len(outcomes) - sum(bool(outcome.faults) for outcome in outcomes)} passed, {failed} failed, {len(skipped)} skipped")
    sys.exit(1 if failed else 0)


main()
