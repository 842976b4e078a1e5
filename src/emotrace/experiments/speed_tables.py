"""The tables on time and memory, from ``benchmarks/results``."""

from collections.abc import Callable, Mapping
from typing import Any

Results = Mapping[str, Any]


def speed(results: Results) -> list[str]:
    """Whole-process times of predict, and the front end beside kaldi-native-fbank."""
    predict, frontend = results["predict"], results["frontend"]
    machine, other = predict["machine"], frontend["machine"]
    elsewhere = "" if other == machine else f", on {other['cores']} cores ({other['processor']})"
    return [
        f"| on {machine['cores']} cores ({machine['processor']}) | |",
        "|---|---|",
        f"| an hour of 16 kHz WAV to CSV, whole process | {predict['hour']['seconds']:.1f} s, "
        f"{predict['times_real_time']} times real time, {predict['hour']['resident_mib']} MiB resident |",
        f"| a clip of ten seconds, whole process | {predict['clip']['seconds']:.2f} s |",
        f"| log mel front end beside kaldi-native-fbank, same five minutes{elsewhere} | "
        f"{frontend['ratio']['rows as an array']:.1f} times as fast, {frontend['times_floor']:.1f} times the floor |",
    ]


def live_speed(results: Results) -> list[str]:
    """What 40 ms of sound cost, and a day."""
    result = results["stream"]
    lines = [f"| on one core ({result['machine']['processor']}) | median | 99 % | most | above 2 ms |"]
    lines.append("|---|---|---|---|---|")
    for clock, text in (("wall", "wall time"), ("processor", "processor time")):
        numbers = result["push"][clock]
        cells = " | ".join(f"{numbers[f'{name}_ms']:.2f} ms" for name in ("median", "p99", "max"))
        over = f"{numbers['over_2_ms']} of {numbers['pushes']:,} pushes"
        lines.append(f"| 40 ms of sound, {text} | {cells} | {over} |")
    day = result["day"]
    return [
        *lines,
        "",
        f"After {day['hours']:g} h ({day['frames']} frames): {day['resident_mib_at_the_end']} MiB resident, "
        f"{day['resident_mib_after_an_hour']} MiB after one hour; the trace of the last ten minutes differs from that "
        f"of the same sound after an hour by at most {day['difference_from_the_second_hour']:.1e}.",
    ]


def long_memory(results: Results) -> list[str]:
    """Peak memory of predict by the recording's length and the form of its output."""
    memory = results["long"]["memory"]
    hours = list(memory["resident_mib_csv"])
    lines = [f"| | {' | '.join(f'{float(length):g} h' for length in hours)} | an hour more |"]
    lines.append("|---" * (len(hours) + 2) + "|")
    for kind in ("csv", "png"):
        peaks = memory[f"resident_mib_{kind}"]
        cells = " | ".join(f"{peaks[length]} MiB" for length in hours)
        lines.append(f"| {kind.upper()} | {cells} | {memory[f'mib_an_hour_{kind}']:.1f} MiB |")
    return lines


def long_compared(results: Results) -> list[str]:
    """Predict beside the features of other tools, on the same hour."""
    result = results["long"]
    machine = result["machine"]
    lines = [
        f"| an hour of speech, {machine['cores']} cores ({machine['processor']}) | seconds | core seconds "
        "| times predict | times predict's core seconds |",
        "|---|---|---|---|---|",
    ]
    for name, seconds in result["seconds"].items():
        ratios = [result[key].get(name) for key in ("times_predict", "times_predict_in_core_seconds")]
        cells = " | ".join("" if ratio is None else f"{ratio:.2f}" for ratio in ratios)
        lines.append(f"| {name} | {seconds:.1f} | {result['core_seconds'][name]:.1f} | {cells} |")
    return lines


def long_floor(results: Results) -> list[str]:
    """What the hour's operations and bytes take at the rates measured in the same run."""
    floor = results["long"]["floor"]
    return [
        f"Transforms {floor['transforms_gflop']:.1f} Gflop and networks {floor['networks_gflop']:.1f} Gflop at "
        f"{floor['gflop_s']:.0f} Gflop/s of one core, {floor['moved_gb']:.2f} GB at {floor['copy_gb_s']:.1f} GB/s: "
        f"{floor['seconds']:.2f} s. Predict spends {floor['times_floor_in_core_seconds']:.1f} times that in core "
        "seconds, imports, decoding and the CSV's digits included.",
    ]


def load(results: Results) -> list[str]:
    """The server under load."""
    result = results["serve"]
    answers = ", ".join(f"{count} with {status}" for status, count in sorted(result["answers"].items()))
    talks = ", ".join(f"{count} {ending}" for ending, count in sorted(result["live"].items()))
    memory, machine = result["memory_mib"], result["machine"]
    waits = {length: wait for length, wait in result["wait_by_length_s"].items() if wait}
    lines = [
        f"| {result['seconds'] / 60:g} minutes, {machine['cores']} cores ({machine['processor']}), clients on the same "
        "cores | |",
        "|---|---|",
        f"| {result['uploading']} clients that upload | {answers}; {result['audio_hours']:g} h of sound; "
        f"{result['answers_differing']} answers differ from `emotrace predict` |",
        f"| {result['speaking']} live streams at a time | {talks} |",
        f"| memory, server and workers | {memory['first_third']} MiB in the first third, {memory['last_third']} MiB in "
        "the last |",
    ]
    lines += [
        f"| answer to {int(length):d} s of sound | median {wait['median_s']:g} s, 95 % within {wait['p95_s']:g} s |"
        for length, wait in waits.items()
    ]
    if result["live_lag"]:
        lag = result["live_lag"]
        lines.append(
            f"| live lines, later than the stated latency by | median {lag['median_s']:g} s, "
            f"95 % within {lag['p95_s']:g} s |"
        )
    return lines


TABLES: dict[str, Callable[[Results], list[str]]] = {
    "speed": speed,
    "live_speed": live_speed,
    "long_memory": long_memory,
    "long_compared": long_compared,
    "long_floor": long_floor,
    "load": load,
}
