"""The tables of docs/gold-standard.md, from the result files of `emotrace.experiments.gold`."""

from collections.abc import Callable, Mapping
from typing import Any

Results = Mapping[str, Any]

_METHODS = {
    "mean": "plain mean",
    "avec2016": "AVEC 2016",
    "ewe": "EWE",
    "robust": "aligned",
    "robust_opened": "aligned, scale opened",
    "robust_warped": "aligned, then warped",
}
_MEASURES = {
    "rmse": "RMSE",
    "ccc": "CCC",
    "pearson": "Pearson",
    "icc_2k": "ICC(2,k)",
    "cronbach_alpha": "Cronbach's alpha",
}


def green(results: Results) -> list[str]:
    """CCC with the truth, by method and by what is known of the lag."""
    tasks = results["gold-green"]["tasks"]
    chosen = results["gold-green"]["chosen"]
    lines = [
        "| method | task | a rater left out, rank correlation | lags left in, CCC | "
        "lags by raters, common lag by driver, CCC | Pearson | level and scale told, CCC |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, title in _METHODS.items():
        for task in tasks:
            row = tasks[task]["methods"][name]
            numbers = ("left_out", "ccc_as_rated", "ccc_driver", "pearson_driver", "ccc_level_and_scale_told")
            cells = " | ".join(f"{row[key]:.4f}" if key == "left_out" else f"{row[key]:.3f}" for key in numbers)
            text = f"**{title}**" if name == chosen else title
            lines.append(f"| {text} | {task} | {cells} |")
    return lines


def green_priors(results: Results) -> list[str]:
    """CCC of the chosen method where the common lag is a guess."""
    result = results["gold-green"]
    priors = list(result["tasks"]["A"]["methods"][result["chosen"]]["ccc_prior"])
    lines = [f"| common lag | {' | '.join(f'{prior} s' for prior in priors)} | by driver |", "|---|" + "---|" * 6]
    for task, numbers in result["tasks"].items():
        row = numbers["methods"][result["chosen"]]
        cells = [f"{row['ccc_prior'][prior]:.3f}" for prior in priors]
        by_driver = f"{row['ccc_driver']:.3f} ({numbers['common_lag_s']:.2f} s)"
        lines.append(f"| task {task} | {' | '.join(cells)} | {by_driver} |")
    return lines


def green_lags(results: Results) -> list[str]:
    """Lags by the driver, and by the raters alone with the common part added."""
    lines = [
        "| task | lags by driver | by raters alone, plus their common lag by driver | they differ by (RMS) | "
        "5 % of the correlation lost within |",
        "|---|---|---|---|---|",
    ]
    for task, numbers in results["gold-green"]["tasks"].items():
        driven = list(numbers["lag_by_driver_s"].values())
        alone = [lag_s + numbers["common_lag_s"] for lag_s in numbers["lag_among_raters_s"].values()]
        lines.append(
            f"| {task} | {min(driven):.2f}–{max(driven):.2f} s | {min(alone):.2f}–{max(alone):.2f} s | "
            f"{numbers['lag_difference_rms_s']:.3f} s | ±{numbers['lag_half_width_s']:.2f} s |"
        )
    return lines


def agreement(results: Results) -> list[str]:
    """AVEC 2016's Table 1 on all sets: raw, and centred."""
    sets: dict[str, Mapping[str, Any]] = {}
    for task, numbers in results["gold-green"]["tasks"].items():
        sets[f"green {task}"] = numbers["agreement"]
        sets[f"green {task}, lags out"] = numbers["agreement_lags_out"]
        sets[f"green {task}, warped"] = numbers["agreement_warped"]
    for target, numbers in results["gold-studyforrest"]["targets"].items():
        sets[f"studyforrest, {target}"] = numbers["agreement"]
    lines = [f"| raw / centred | {' | '.join(_MEASURES.values())} |", "|---|" + "---|" * len(_MEASURES)]
    for title, table in sets.items():
        cells = [f"{table['raw'][key]:.3f} / {table['centred'][key]:.3f}" for key in _MEASURES]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines


def studyforrest(results: Results) -> list[str]:
    """One observer against the others."""
    lines = [
        "| target | one against the mean of the other eight, Pearson | rank correlation with the others: mean | EWE | "
        "weights of aligned |",
        "|---|---|---|---|---|",
    ]
    for target, numbers in results["gold-studyforrest"]["targets"].items():
        cells = [f"{numbers['left_out'][name]:.3f}" for name in ("mean", "ewe", "robust")]
        lines.append(f"| {target} | {numbers['one_against_the_others_pearson']:.3f} | {' | '.join(cells)} |")
    return lines


def stitched(results: Results) -> list[str]:
    """Mean and SD over recordings of the CCC with the ratings that the simulated raters followed."""
    lines = [
        "| method | target | lags left in, CCC | mean lag told, CCC |",
        "|---|---|---|---|",
    ]
    targets = results["gold-stitched"]["targets"]
    for name, title in _METHODS.items():
        for target, numbers in targets.items():
            row = numbers["methods"][name]
            cells = [f"{row[key]['mean']:.3f} ± {row[key]['sd']:.3f}" for key in ("as_rated", "lag_told")]
            lines.append(f"| {title} | {target} | {' | '.join(cells)} |")
    return lines


def spectrum(results: Results) -> list[str]:
    """Power under 1 Hz, and the CCC after downsampling and spline interpolation."""
    sets = {f"green {task}": n["spectrum"] for task, n in results["gold-green"]["tasks"].items()}
    sets |= {f"studyforrest, {t}": n["spectrum"] for t, n in results["gold-studyforrest"]["targets"].items()}
    sets |= {f"stitched, {t}, one recording": n["spectrum"] for t, n in results["gold-stitched"]["targets"].items()}
    factors = list(next(iter(sets.values()))["ccc_by_factor"])
    lines = [f"| gold standard | power under 1 Hz | {' | '.join(f'÷{f}' for f in factors)} |", "|---|" + "---|" * 8]
    for title, numbers in sets.items():
        cells = [f"{numbers['ccc_by_factor'][factor]:.3f}" for factor in factors]
        lines.append(f"| {title} | {100 * numbers['power_below_1hz']:.1f} % | {' | '.join(cells)} |")
    return lines


def made_with(results: Results) -> list[str]:
    """Command and commit of the figures."""
    lines = []
    for name in ("green", "studyforrest", "stitched"):
        result = results[f"gold-{name}"]
        lines.append(f"- {name}: `{result['command']}`, commit `{result['made_with']['commit'] or 'unknown'}`.")
    return lines


TABLES: dict[str, Callable[[Results], list[str]]] = {
    "gold_green": green,
    "gold_green_priors": green_priors,
    "gold_green_lags": green_lags,
    "gold_agreement": agreement,
    "gold_studyforrest": studyforrest,
    "gold_stitched": stitched,
    "gold_spectrum": spectrum,
    "gold_made_with": made_with,
}
