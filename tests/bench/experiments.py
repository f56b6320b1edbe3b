#!/usr/bin/env python3
"""Experiments in virtual time beside published figures: scenarios of tests/bench/experiments/, each at several settings and with
several seeds, one run at a time. Prints the rows of docs/EXPERIMENTS.md, means with 95 % intervals (Student's t over seeds), and
draws them beside the published figure.

    tests/bench/experiments.py rhea --seeds 10 --plot docs/experiments-rhea.svg        the plot needs python3-matplotlib
    tests/bench/experiments.py li --seeds 3 --only 'as it is;want 1' --out DIR

What was run lies in --out and is not run again; --fresh begins anew.
"""
import argparse
import json
import math
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import time

import mesh

SCENARIOS = pathlib.Path(__file__).resolve().parent / "experiments"
MATRIX = "rtt-aws-2022.csv"
IP_UDP_BYTES = 28
# Two-sided 95 % of Student's t, by degrees of freedom.
T95 = [None, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
       2.120, 2.110, 2.101, 2.093, 2.086]

PARTS = ["health", "tries", "nacks", "buddy", "shortening", "own_probe", "proofs", "burst", "forming", "stalls", "credit"]
# SWIM of 2002 has none of them.
PLAIN = {f"membership.{part}": "false" for part in PARTS}
# News ride on pings and acks alone; a suspicion lasts for one period.
SWIM = PLAIN | {"membership.probe_interval": '"2s"', "membership.indirect_probes": "1", "membership.gossip_fanout": "0"}
HOSTILE = (0, 10, 20, 30, 40, 50)  # percent
PATHS = (1, 2, 4, 8)
LIES = ["member-accuse", "member-replay", "member-withhold", "member-vouch", "forge"]


def slow(count):
    """The first so many but node 0 are slow, 8 s of 10, from time zero on."""
    return {"+": "".join(f'[[at]]\nt = "{t}s"\ndo = "block"\nwho = "1-{count}"\nfor = "8s"\n' for t in range(0, 120, 10) if count > 0)}


def lying(count, roles):
    """So many liars, of these roles in turn."""
    return {"+": "".join(f'[[at]]\nt = "0s"\ndo = "hostile"\nwho = "{1 + i}"\nrole = "{roles[i % len(roles)]}"\n' for i in range(count))}


# By experiment: its scenario, what makes a row of a run, and its settings: keys of the scenario that are set anew; those with a dot belong
# to [dht] and [membership]; "+" is appended. Of lookups also after how long they count as failed.
EXPERIMENTS = {
    "swim": {
        "scenario": "swim-2002.toml", "row": "detection",
        "settings": {f"SWIM's, n = {n}": SWIM | {"nodes": str(n)} for n in (50, 100, 200, 500)}
        | {f"n = {n}": {"nodes": str(n)} for n in (50, 100, 200, 500, 1000, 2000)},
    },
    "lifeguard": {
        "scenario": "lifeguard-2017.toml", "row": "slowness",
        "settings": {f"{count} slow": slow(count) for count in (0, 1, 4, 8, 16, 32)}
        | {f"{count} slow, all off": slow(count) | PLAIN for count in (0, 1, 4, 8, 16, 32)}
        | {f"16 slow, no {part}": slow(16) | {f"membership.{part}": "false"} for part in PARTS}
        | {"16 slow, no relays": slow(16) | {"membership.indirect_probes": "0"}}
        | {f"16 slow, all off but {part}": slow(16) | PLAIN | {f"membership.{part}": "true"} for part in PARTS},
    },
    "liars": {
        "scenario": "liars.toml", "row": "lies",
        "settings": {f"{count} %": lying(count, LIES) for count in (0, 5, 20, 30)} | {f"30 % {role}": lying(30, [role]) for role in LIES},
    },
    "restart-21": {"scenario": "restart-21.toml", "row": "restart", "settings": {"21 nodes, 21,000 values": {}}},
    "restart-1000": {"scenario": "restart-1000.toml", "row": "restart", "settings": {"1,000 nodes": {}}},
    "dead-seeds": {"scenario": "dead-seeds.toml", "row": "joins", "settings": {"three of four seeds dead": {}, "no seed dead": {"dead_seeds": "0"}}},
    "rhea": {
        "scenario": "rhea-2004.toml", "limit_s": 60,
        "settings": {
            "84s": {},
            "5m": {"median_session": '"5m"', "duration": '"20m"', "t": '"15m"', "from": '"15m"'},
            "23m": {"median_session": '"23m"', "duration": '"40m"', "t": '"30m"', "from": '"30m"'},
            "3h": {"median_session": '"3h"', "duration": '"70m"', "t": '"1h"', "from": '"1h"'},
            "84s, want 1": {"dht.lookup_want": "1"},
            "84s, refresh 30s": {"dht.refresh": '"30s"'},
            "84s, refresh 30s, want 1": {"dht.refresh": '"30s"', "dht.lookup_want": "1"},
        },
    },
    "heep": {
        "scenario": "heep-2010.toml", "limit_s": 10,
        "settings": {
            "as it is": {},
            "want 1": {"dht.lookup_want": "1"},
            "want 1, k 8": {"dht.lookup_want": "1", "dht.bucket_size": "8"},
            "want 1, k 8, 5 at once": {"dht.lookup_want": "1", "dht.bucket_size": "8", "dht.parallelism": "5"},
        },
    },
    "li": {
        "scenario": "li-2005.toml", "limit_s": 4,
        "settings": {
            "as it is": {},
            "want 1": {"dht.lookup_want": "1"},
            "want 1, refresh 2h": {"dht.lookup_want": "1", "dht.refresh": '"2h"'},
            "want 1, k 8": {"dht.lookup_want": "1", "dht.bucket_size": "8"},
            "want 1, k 8, refresh 2h": {"dht.lookup_want": "1", "dht.bucket_size": "8", "dht.refresh": '"2h"'},
            "want 1, k 8, refresh 2h, 6 at once": {"dht.lookup_want": "1", "dht.bucket_size": "8", "dht.refresh": '"2h"', "dht.parallelism": "6"},
            "want 1, k 8, refresh 2h, 8 at once": {"dht.lookup_want": "1", "dht.bucket_size": "8", "dht.refresh": '"2h"', "dht.parallelism": "8"},
            "want 1, k 8, refresh 20m": {"dht.lookup_want": "1", "dht.bucket_size": "8", "dht.refresh": '"20m"'},
        },
    },
    "colluders": {
        "scenario": "colluders.toml", "row": "hostile", "limit_s": 20,
        "settings": {f"{share}%, paths {paths}": {"who": f'"{share}%"', "dht.paths": str(paths)}
                     for share in HOSTILE for paths in PATHS},
    },
}


def vary(text, changes):
    for key, value in changes.items():
        if "." in key or key == "+":
            continue
        text, n = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}", text)
        assert n >= 1, key
    text += "\n" + changes.get("+", "")
    for table in ("dht", "membership"):
        own = [f"{key.removeprefix(table + '.')} = {value}" for key, value in changes.items() if key.startswith(table + ".")]
        if own:
            text += f"\n[{table}]\n" + "\n".join(own) + "\n"
    return text


def phase_of(report, name):
    return next(phase for phase in report["phases"] if phase["name"] == name)


def sent_for_members(phase):
    """Bytes and packets a second and node of membership: its messages, and the handshakes that they began."""
    kinds = phase["traffic"]["by_kind"]
    own = [sent for kind, sent in kinds.items() if kind.split()[-1] in MEMBER_KINDS]
    return sum(sent["bytes_per_node_s"] for sent in own), sum(sent["packets_per_node_s"] for sent in own)


def detection_row(report, log, _):
    deaths = [event for event in map(json.loads, log) if event["event"] == "death"]
    assert len(deaths) == 5 and all(death["suspected"] and death["first"] and death["all"] for death in deaths)
    rest = phase_of(report, "rest")
    member_bytes, member_packets = sent_for_members(rest)
    return {
        "deaths": len(deaths), "form_s": phase_of(report, "form")["end_s"],
        "suspected_s": statistics.fmean(death["suspected"] for death in deaths),
        "first_s": statistics.fmean(death["first"] for death in deaths),
        "all_s": statistics.fmean(death["all"] for death in deaths),
        "all_most_s": max(death["all"] for death in deaths),
        "doubt_spread_ms": 1e3 * statistics.fmean((death["all_suspected"] or death["all"]) - death["suspected"] for death in deaths),
        "spread_ms": 1e3 * statistics.fmean(death["all"] - death["first"] for death in deaths),
        "bytes_s": rest["traffic"]["bytes_per_node_s"], "packets_s": rest["traffic"]["packets_per_node_s"],
        "member_bytes_s": member_bytes, "member_packets_s": member_packets,
        "false_failures": report["total"]["members"]["false_failures"],
    }


def slowness_row(report, log, changes):
    """Members that are well: called failed by anybody, and by others that are well."""
    count = changes["+"].split('who = "1-')[1].split('"')[0] if changes["+"] else "0"
    slow_ones = range(1, int(count) + 1)
    false = [event for event in map(json.loads, log) if event["event"] == "false_failure" and event["of"] not in slow_ones]
    return {
        "of_well": len(false), "at_well": sum(event["node"] not in slow_ones for event in false),
        "right_after": float(phase_of(report, "heal")["members"]["converged"]),
        "bytes_s": phase_of(report, "slow")["traffic"]["bytes_per_node_s"], "packets_s": phase_of(report, "slow")["traffic"]["packets_per_node_s"],
    }


def lies_row(report, log, changes):
    liars = range(1, 1 + changes["+"].count("hostile"))
    events = [json.loads(line) for line in log]
    false = [event for event in events if event["event"] == "false_failure"]
    honest = [event for event in false if event["node"] not in liars]
    lied = phase_of(report, "lied")
    samples = [event for event in events if event["event"] == "sample" and event["t"] >= lied["start_s"]]
    deaths = [event for event in events if event["event"] == "death"]
    return {
        "evicted_pairs_end": samples[-1]["failed"], "failed_pairs_most": max(sample["failed"] for sample in samples),
        "false_of_honest": sum(event["of"] not in liars for event in honest), "false_of_liars": sum(event["of"] in liars for event in honest),
        "suspect_pairs": statistics.fmean(sample["suspect"] for sample in samples if sample["t"] < lied["end_s"]),
        "first_s": statistics.fmean(death["first"] for death in deaths),
        "all_s": statistics.fmean(death["all"] for death in deaths), "all_most_s": max(death["all"] for death in deaths),
        "right_after": float(phase_of(report, "heal")["members"]["converged"]), "right_after_s": math.inf if phase_of(report, "heal")["members"]["converge_s"] is None else phase_of(report, "heal")["members"]["converge_s"],
        "lies": sum(report["total"].get("lies", {}).values()),
        "bytes_s": lied["traffic"]["bytes_per_node_s"], "packets_s": lied["traffic"]["packets_per_node_s"],
    }


def restart_row(report, log, _):
    events = [json.loads(line) for line in log]
    names = [phase["name"] for phase in report["phases"]]
    before, after = phase_of(report, "before"), phase_of(report, "restarted")
    began = after["start_s"]
    gets = [event for event in events if event["event"] == "op" and event["op"] == "get" and event["phase"] == names.index("restarted")]
    samples = [event for event in events if event["event"] == "sample"]
    rate = [(b["t"], (b["bytes"] - a["bytes"]) / (b["t"] - a["t"])) for a, b in zip(samples, samples[1:]) if b["t"] > a["t"]]
    at_rest = statistics.fmean(r for t, r in rate if before["start_s"] < t <= before["end_s"])
    # Settled is also what goes over the wire: from when on no ten seconds carry twice what they did before.
    busy = [t for t, _ in rate if t > began and statistics.fmean(r for u, r in rate if t - 10 < u <= t) > 2 * at_rest]
    return {
        "converge_s": after["members"]["converge_s"] if after["members"]["converged"] else math.inf,
        "gets": len(gets), "gets_failed": sum(not event["ok"] for event in gets),
        "last_failed_s": max((event["t"] - began for event in gets if not event["ok"]), default=0.0),
        "get_p99_ms": after["gets"]["latency_ms"]["p99"] or 0.0,
        "values_before": next((s["values"] for s in reversed(samples) if s["t"] <= before["end_s"]), 0), "values_after": samples[-1]["values"],
        "busy_s": max(busy, default=began) - began, "bytes_s_before": before["traffic"]["bytes_per_node_s"], "bytes_s": after["traffic"]["bytes_per_node_s"],
        "false_failures": report["total"]["members"]["false_failures"],
    }


def joins_row(report, _, __):
    took = [phase_of(report, name)["members"]["converge_s"] for name in ("first", "second", "third", "fourth", "fifth")]
    return {"joins": len(took), "mean_s": statistics.fmean(took), "most_s": max(took)}


def lookups_row(report, log, limit_s):
    """The figures of the phase that is measured."""
    names = [phase["name"] for phase in report["phases"]]
    which = names.index("measured")
    phase = report["phases"][which]
    lookups, traffic = phase["lookups"], phase["traffic"]
    ended = []
    for line in log:
        if '"event":"op"' in line and '"right":' in line:
            event = json.loads(line)
            if event["phase"] == which:
                ended.append(event)
    well = [event["us"] for event in ended if event["ok"]]
    in_time = [event for event in ended if event["ok"] and event["right"] and event["us"] <= limit_s * 1e6]
    judged = len(ended)
    packets = traffic["packets_per_node_s"]
    return {
        "nodes_alive": phase["nodes_alive"], "judged": judged, "crashed": lookups["errors"].get("crashed", 0),
        "right_share": lookups["right_share"],
        "right_or_newcomer_share": lookups["right_share"] + lookups["newcomers_missed"] / judged,
        "failed_share": 1 - len(in_time) / judged,
        "late_share": sum(us > limit_s * 1e6 for us in well) / judged,
        "ended_share": len(well) / judged,
        "p50_ms": lookups["latency_ms"]["p50"], "p95_ms": lookups["latency_ms"]["p95"], "p99_ms": lookups["latency_ms"]["p99"],
        "mean_ms": statistics.fmean(well) / 1e3,
        "hops_p50": lookups["hops"]["p50"], "queries_p50": lookups["queries"]["p50"],
        "bytes_s": traffic["bytes_per_node_s"], "packets_s": packets,
        "bytes_ip_s": traffic["bytes_per_node_s"] + IP_UDP_BYTES * packets,
        # Li et al.: 20 bytes a message and 4 for each id or address in it.
        "model_bytes_s": 20 * packets + 4 * traffic["names_per_node_s"],
        "by_kind": traffic["by_kind"],
    }


def hostile_row(report, log, limit_s):
    """That, and what became of the gets."""
    gets = next(phase for phase in report["phases"] if phase["name"] == "measured")["gets"]
    return lookups_row(report, log, limit_s) | {
        "gets": gets["ops"], "gets_share": gets["ok_share"], "gets_wrong": gets["wrong"],
        "gets_p50_ms": gets["latency_ms"]["p50"], "gets_queries_p50": gets["queries"]["p50"]}


def run(experiment, setting, seed, out, nodes, fresh, kept_alone=False):
    name = f"{experiment}-{re.sub('[^a-z0-9]+', '-', setting)}{f'-n{nodes}' if nodes else ''}"
    kept = out / f"{name}-{seed}.json"
    if kept.exists() and not fresh:
        return json.loads(kept.read_text())
    if kept_alone:
        return None
    spec = EXPERIMENTS[experiment]
    shutil.copy(SCENARIOS / MATRIX, out)
    scenario = out / f"{name}.toml"
    scenario.write_text(vary((SCENARIOS / spec["scenario"]).read_text(), spec["settings"][setting]))
    folder = out / f"{name}-{seed}-report"
    command = [mesh.weft_binary(), "sim", "run", str(scenario), "--seed", str(seed), "--report", str(folder)]
    began = time.monotonic()
    done = subprocess.run(command + (["-n", str(nodes)] if nodes else []), capture_output=True, text=True)
    if done.returncode not in (0, 1):
        sys.exit(f"{scenario}, seed {seed}: exit {done.returncode}\n{done.stderr[-2000:]}")
    report = json.loads((folder / "report.json").read_text())
    with open(folder / "events.jsonl") as log:
        row = ROWS[spec.get("row", "lookups")](report, log, spec["limit_s"] if "limit_s" in spec else spec["settings"][setting])
    row.update({"seed": seed, "violations": sorted({v["checker"] for v in report["violations"]}), "wall_s": time.monotonic() - began})
    shutil.rmtree(folder)
    kept.write_text(json.dumps(row))
    told = ", ".join(f"{title} {row[field] * unit:.{digits}f}" for field, title, unit, digits in columns(experiment))
    print(f"{experiment} {setting} seed {seed}: {told}; {row['wall_s']:.0f} s {' '.join(row['violations'])}", file=sys.stderr, flush=True)
    return row


def interval(rows, field):
    """Mean and half of the 95 % interval; of one seed there is none."""
    values = [row[field] for row in rows]
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, math.nan
    t = T95[len(values) - 1] if len(values) <= len(T95) else 1.96
    return mean, t * statistics.stdev(values) / math.sqrt(len(values))


LOOKUP_COLUMNS = [("right_share", "found the nearest, %", 100, 2), ("right_or_newcomer_share", "but for newcomers, %", 100, 2),
                  ("failed_share", "failed, %", 100, 2), ("p50_ms", "p50, ms", 1, 0), ("mean_ms", "mean, ms", 1, 0), ("p95_ms", "p95, ms", 1, 0),
                  ("queries_p50", "asked", 1, 0), ("bytes_s", "B/s", 1, 0), ("bytes_ip_s", "with IP, UDP", 1, 0), ("model_bytes_s", "by the model", 1, 1)]
ROWS = {"lookups": lookups_row, "hostile": hostile_row, "detection": detection_row, "slowness": slowness_row, "lies": lies_row, "restart": restart_row, "joins": joins_row}
# By row: field, title, unit, digits.
COLUMNS = {
    "lookups": LOOKUP_COLUMNS,
    "detection": [("suspected_s", "first suspicion, s", 1, 2), ("first_s", "first verdict, s", 1, 2), ("all_s", "all know, s", 1, 2), ("all_most_s", "the slowest, s", 1, 2),
                  ("doubt_spread_ms", "suspicion spreads, ms", 1, 0), ("spread_ms", "first to last verdict, ms", 1, 0),
                  ("member_bytes_s", "B/s", 1, 1), ("member_packets_s", "packets/s", 1, 2), ("bytes_s", "B/s with the DHT", 1, 1), ("false_failures", "false failures", 1, 1)],
    "slowness": [("of_well", "of the well, by anybody", 1, 1), ("at_well", "by the well", 1, 1), ("right_after", "runs right after", 1, 2),
                 ("bytes_s", "B/s", 1, 0), ("packets_s", "packets/s", 1, 2)],
    "lies": [("evicted_pairs_end", "evicted at the end, pairs", 1, 1), ("failed_pairs_most", "at any time, most", 1, 1), ("false_of_honest", "false failures of honest", 1, 1), ("false_of_liars", "of liars", 1, 1),
             ("suspect_pairs", "suspect pairs", 1, 0), ("first_s", "death: first, s", 1, 1), ("all_s", "all, s", 1, 1), ("all_most_s", "slowest, s", 1, 1),
             ("right_after_s", "right again after, s", 1, 1), ("lies", "lies told", 1, 0), ("bytes_s", "B/s", 1, 0), ("packets_s", "packets/s", 1, 1)],
    "restart": [("converge_s", "all see all, s", 1, 2), ("gets", "gets", 1, 0), ("gets_failed", "failed", 1, 1), ("last_failed_s", "the last of them, s", 1, 1), ("get_p99_ms", "get p99, ms", 1, 0),
                ("values_before", "copies before", 1, 0), ("values_after", "after", 1, 0), ("busy_s", "busy, s", 1, 1), ("bytes_s_before", "B/s before", 1, 0), ("bytes_s", "B/s after", 1, 0), ("false_failures", "false failures", 1, 1)],
    "hostile": [("right_share", "found the nearest, %", 100, 2), ("gets_share", "gets that found it, %", 100, 2), ("gets_wrong", "wrong", 1, 1),
                ("p50_ms", "lookups, p50, ms", 1, 0), ("queries_p50", "asked", 1, 0), ("gets_p50_ms", "gets, p50, ms", 1, 0),
                ("gets_queries_p50", "asked", 1, 0), ("bytes_s", "B/s", 1, 0)],
    "joins": [("mean_s", "all see the newcomer and it sees all, s", 1, 3), ("most_s", "the slowest, s", 1, 3)],
}
# What a row counts, beside its seeds.
COUNTED = {"lookups": "judged", "hostile": "judged", "detection": "deaths", "joins": "joins"}
MEMBER_KINDS = {"Ping", "Ack", "PingReq", "PingReqReply", "Gossip", "Sync", "SyncPage"}


def columns(experiment):
    return COLUMNS[EXPERIMENTS[experiment].get("row", "lookups")]


def table(experiment, results):
    row = EXPERIMENTS[experiment].get("row", "lookups")
    counted = COUNTED.get(row)
    head = ["", "seeds"] + ([{"judged": "lookups"}.get(counted, counted)] if counted else []) + [title for _, title, _, _ in COLUMNS[row]]
    lines = ["| " + " | ".join(head).strip() + " |", "| --- " * len(head) + "|"]
    for setting, rows in results.items():
        cells = []
        for field, _, unit, digits in COLUMNS[row]:
            mean, half = interval(rows, field)
            cells.append(f"{mean * unit:.{digits}f}" + ("" if math.isnan(half) else f" ± {half * unit:.{digits}f}"))
        seen = [str(sum(one[counted] for one in rows))] if counted else []
        lines.append("| " + " | ".join([setting, str(len(rows))] + seen + cells) + " |")
    return "\n".join(lines)


def kinds(results):
    """What the bytes go to: B/s and packets/s of each kind that is 1 % of them or more, means over seeds."""
    lines = []
    for setting, rows in results.items():
        total = statistics.fmean(row["bytes_s"] for row in rows)
        sums = {}
        for row in rows:
            for kind, sent in row["by_kind"].items():
                one = sums.setdefault(kind, [0.0, 0.0])
                one[0] += sent["bytes_per_node_s"] / len(rows)
                one[1] += sent["packets_per_node_s"] / len(rows)
        largest = sorted(sums.items(), key=lambda item: -item[1][0])
        lines.append(f"{setting}: " + ", ".join(f"{kind} {b:.1f} B/s ({p:.3f}/s)" for kind, (b, p) in largest if b >= total / 100))
    return "\n".join(lines)


def minutes(setting):
    return float(setting[:-1]) * {"s": 1 / 60, "m": 1, "h": 60}[setting[-1]]


def points(axis, xs, results, field, unit=1, **look):
    means, halves = zip(*(interval(rows, field) for rows in results.values()))
    axis.errorbar(xs, [m * unit for m in means], yerr=[0 if math.isnan(h) else h * unit for h in halves], marker="o", capsize=3, **look)


def plot_rhea(pyplot, results):
    results = {setting: rows for setting, rows in results.items() if "," not in setting}
    figure, axes = pyplot.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
    xs = [minutes(setting) for setting in results]
    points(axes[0], xs, results, "right_share", 100, label="weft: found the nearest")
    axes[0].axhline(99, color="C3", linestyle="--", label="goal: 99 %")
    axes[0].set_title("lookups, %", fontsize=10)
    axes[0].set_ylim(0, 101)
    points(axes[1], xs, results, "bytes_s", label="weft, sealed, UDP payload")
    points(axes[1], xs, results, "bytes_ip_s", label="weft, with IP and UDP headers", linestyle=":")
    axes[1].plot([1.4], [900], marker="v", markersize=10, color="black", linestyle="", label="Bamboo: below 900")
    axes[1].set_title("sent per node, B/s", fontsize=10)
    axes[1].set_yscale("log")
    points(axes[2], xs, results, "p50_ms", label="weft, p50")
    points(axes[2], xs, results, "p95_ms", label="weft, p95", linestyle=":")
    axes[2].set_title("lookups, ms", fontsize=10)
    axes[2].set_ylim(bottom=0)
    for axis in axes:
        axis.set_xscale("log")
        axis.set_xticks(xs, [setting for setting in results], minor=False)
        axis.minorticks_off()
        axis.set_xlabel("median session")
    axes[1].set_yticks([200, 500, 1000, 2000, 5000], ["200", "500", "1,000", "2,000", "5,000"])
    return figure, axes


def plot_li(pyplot, results):
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    for axis, field, unit in ((axes[0], "p50_ms", 1), (axes[1], "failed_share", 100)):
        for setting, rows in results.items():
            points(axis, [interval(rows, "model_bytes_s")[0]], {setting: rows}, field, unit, linestyle="", label=setting)
        axis.set_xlabel("sent per node by their model, B/s")
        axis.set_xlim(0, 27)
        axis.set_ylim(bottom=0)
    axes[1].set_ylim(top=1.3)
    axes[0].plot([10], [450], marker="*", markersize=14, color="black", linestyle="", label="Kademlia, Li et al.")
    axes[0].set_title("median latency of a lookup, ms", fontsize=10)
    axes[1].axhline(1, color="C3", linestyle="--", label="goal: 1 %")
    axes[1].set_title("failed (not the nearest, or after 4 s), %", fontsize=10)
    return figure, axes


def plot_swim(pyplot, results):
    def sizes(plain):
        return {int(setting.split("= ")[1]): rows for setting, rows in results.items() if setting.startswith("SWIM's") == plain}
    ours, theirs = sizes(False), sizes(True)
    figure, axes = pyplot.subplots(1, 3, figsize=(13, 4), layout="constrained")
    for field, label, color in (("suspected_s", "first suspicion", "C0"), ("first_s", "first verdict", "C1"), ("all_s", "all know", "C2")):
        points(axes[0], list(ours), ours, field, label=label, color=color)
    axes[0].set_title("a death, weft's settings, s", fontsize=10)
    periods = {n: [{"periods": row["suspected_s"] / 2, "spread": row["doubt_spread_ms"] / 2000} for row in rows] for n, rows in theirs.items()}
    points(axes[1], list(periods), periods, "periods", label="first suspicion")
    points(axes[1], list(periods), periods, "spread", label="from the first to the last that suspects")
    axes[1].axhline(math.e / (math.e - 1), color="black", linestyle="--", label="SWIM 2002, expected: e/(e - 1)")
    axes[1].set_title("SWIM's settings, in periods of 2 s", fontsize=10)
    points(axes[2], list(ours), ours, "member_bytes_s", label="membership")
    points(axes[2], list(ours), ours, "bytes_s", label="with the DHT's upkeep", linestyle=":")
    axes[2].set_title("sent at rest per node, B/s, UDP payload", fontsize=10)
    # Two seeds make an interval that leaves no room for the rest.
    axes[1].set_ylim(top=12)
    for axis, of in zip(axes, (ours, theirs, ours)):
        axis.set_xscale("log")
        axis.set_xticks(list(of), [f"{n:,}" for n in of], minor=False)
        axis.minorticks_off()
        axis.set_xlabel("nodes")
        axis.set_ylim(bottom=0)
    return figure, axes


def plot_lifeguard(pyplot, results):
    figure, axes = pyplot.subplots(1, 2, figsize=(12, 4.6), layout="constrained", width_ratios=[1, 1.3])
    for suffix, label, color in (("", "all parts", "C0"), (", all off", "all off", "C3")):
        of = {int(setting.split()[0]): rows for setting, rows in results.items() if setting == setting.split()[0] + " slow" + suffix}
        points(axes[0], list(of), of, "of_well", label=f"{label}: by anybody", color=color)
        points(axes[0], list(of), of, "at_well", label=f"{label}: by the well", color=color, linestyle=":")
    axes[0].set_yscale("symlog", linthresh=1)
    axes[0].set_xlabel("slow members of 128")
    axes[0].set_title("members that are well called failed, in 150 s", fontsize=10)
    bars = [(setting.removeprefix("16 slow").removeprefix(", ") or "all parts", rows) for setting, rows in results.items() if setting.startswith("16 slow")]
    for field, label, shift in (("of_well", "by anybody", -0.2), ("at_well", "by the well", 0.2)):
        means, halves = zip(*(interval(rows, field) for _, rows in bars))
        axes[1].barh([i + shift for i in range(len(bars))], means, height=0.4, xerr=[0 if math.isnan(h) else h for h in halves], label=label)
    axes[1].set_yticks(range(len(bars)), [name for name, _ in bars], fontsize=7)
    axes[1].set_xscale("symlog", linthresh=1)
    axes[1].set_xlim(left=0)
    axes[1].invert_yaxis()
    axes[1].set_title("the same, 16 slow, by parts", fontsize=10)
    return figure, axes


def plot_liars(pyplot, results):
    figure, axes = pyplot.subplots(1, 3, figsize=(13, 4), layout="constrained")
    for axis, field, title in ((axes[0], "false_of_honest", "false failures of honest nodes"), (axes[1], "all_s", "a death is known to all, s"), (axes[2], "bytes_s", "sent per node, B/s")):
        means, halves = zip(*(interval(rows, field) for rows in results.values()))
        axis.barh(range(len(results)), means, xerr=[0 if math.isnan(h) else h for h in halves], label="mean and 95 %")
        axis.set_yticks(range(len(results)), list(results), fontsize=8)
        axis.set_xlim(left=0)
        axis.invert_yaxis()
        axis.set_title(title, fontsize=10)
    return figure, axes


def plot_colluders(pyplot, results):
    figure, axes = pyplot.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
    for axis, field, unit, title in ((axes[0], "right_share", 100, "lookups that found the nearest, %"),
                                     (axes[1], "gets_share", 100, "gets that found the value, %"), (axes[2], "queries_p50", 1, "asked by a lookup, median")):
        for paths in PATHS:
            own = {setting: rows for setting, rows in results.items() if setting.endswith(f", paths {paths}")}
            if own:
                points(axis, [int(setting.split("%")[0]) for setting in own], own, field, unit, label=f"paths {paths}")
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("hostile nodes, %")
    for axis in axes[:2]:
        axis.axhline(99, color="C3", linestyle="--", label="99 %")
    return figure, axes


def plot_heep(pyplot, results):
    figure, axis = pyplot.subplots(figsize=(6.4, 4.4), layout="constrained")
    for setting, rows in results.items():
        points(axis, [interval(rows, "bytes_s")[0]], {setting: rows}, "mean_ms", linestyle="", label=f"weft, {setting}")
    for x, y, name in ((300, 630, "simple iterative"), (1250, 415, "iterative, near contacts"), (140, 350, "recursive")):
        axis.plot([x], [y], marker="*", markersize=12, linestyle="", label=f"Heep: {name}")
    axis.set_xlabel("sent per node, B/s")
    axis.set_title("mean latency until a living node has answered, ms", fontsize=10)
    axis.set_xlim(left=0)
    axis.set_ylim(bottom=0)
    return figure, [axis]


PLOTS = {"rhea": plot_rhea, "li": plot_li, "swim": plot_swim, "lifeguard": plot_lifeguard, "liars": plot_liars,
         "colluders": plot_colluders, "heep": plot_heep}


def draw_bamboo(axes, folder):
    """What `plain_kademlia.py bamboo` has kept there, with timeouts of 2 s."""
    import plain_kademlia
    kept = {setting: [row | {"right_share": 1 - row["failed_share"]} for row in rows]
            for setting, rows in plain_kademlia.kept_results("bamboo", folder).items() if setting.endswith("timeout-ms 2000")}
    xs = [int(setting.split()[1].rstrip(",")) / 60_000 for setting in kept]
    for axis, field, unit in zip(axes, ("right_share", "wire_bytes_s", "p50_ms"), (100, 1, 1)):
        points(axis, xs, kept, field, unit, label="Bamboo (a model), unsealed", color="gray", linestyle="--")


def draw_plain(experiment, axes, folder):
    """What plain_kademlia.py has kept there: Kademlia as it was published, in the same network."""
    import plain_kademlia
    if experiment == "rhea":
        return draw_bamboo(axes, folder)
    spec = plain_kademlia.EXPERIMENTS[experiment]
    best = dict(plain_kademlia.best_of(plain_kademlia.kept_results(experiment, folder), spec))
    xs = [interval(rows, spec["cost"])[0] for rows in best.values()]
    for axis, field, unit in zip(axes, (spec["latency"], "failed_share"), (1, 100)):
        points(axis, xs, best, field, unit, label="plain Kademlia (a model), the best of a grid", color="gray", linestyle="--")


def plot(experiment, results, path, plain=None):
    import matplotlib
    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "weft"
    from matplotlib import pyplot
    figure, axes = PLOTS[experiment](pyplot, results)
    if plain:
        draw_plain(experiment, axes, plain)
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.legend(frameon=False, fontsize=7)
    figure.savefig(path, metadata={"Date": None} if path.endswith(".svg") else None)


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    args.add_argument("experiment", choices=EXPERIMENTS)
    args.add_argument("--seeds", type=int, default=10, help="the last of them")
    args.add_argument("--first", type=int, default=1, metavar="SEED", help="the first: two at work at once share --out")
    args.add_argument("--only", help="of the settings, with semicolons")
    args.add_argument("--out", default="experiments-runs")
    args.add_argument("-n", "--nodes", type=int, help="another number of nodes, for a quick look")
    args.add_argument("--fresh", action="store_true")
    args.add_argument("--kept", action="store_true", help="runs nothing: tells and draws what lies in --out")
    args.add_argument("--plot", metavar="FILE")
    args.add_argument("--plain", metavar="DIR", help="of li, heep and rhea: also what plain_kademlia.py has kept there")
    args = args.parse_args()
    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    settings = args.only.split(";") if args.only else list(EXPERIMENTS[args.experiment]["settings"])
    # Seed by seed, so that what was run when it is stopped is worth something.
    results = {setting: [] for setting in settings}
    for seed in range(args.first, args.seeds + 1):
        for setting in settings:
            row = run(args.experiment, setting, seed, out, args.nodes, args.fresh, args.kept)
            results[setting] += [row] if row else []
    results = {setting: rows for setting, rows in results.items() if rows}
    print(table(args.experiment, results))
    print()
    if "row" not in EXPERIMENTS[args.experiment]:
        print(kinds(results))
    if args.plot:
        plot(args.experiment, results, args.plot, args.plain)
    return 0


if __name__ == "__main__":
    sys.exit(main())
