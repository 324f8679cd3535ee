"""Series: values at equal steps of time."""

from castalia.modalities.series.data_sets import DATA_SETS
from castalia.modality import Foreign, Modality, Named
from castalia.sentences import say

_HERE = "castalia.modalities.series"

MODALITY = Modality(
    name="series",
    about="time series: long and wide .csv, .tsv, .xlsx, .parquet, .jsonl",
    package=_HERE,
    item="series",
    items=say("series"),
    codec=f"{_HERE}.codec:SeriesCodec",
    first="series/ar",
    base="series/ar",
    demo=f"{_HERE}.demo:demo",
    check=f"{_HERE}.check:SeriesCheck",
    matcher=f"{_HERE}.copies:Stretches",
    verdict=f"{_HERE}.verdict:verdict_series",
    presenter=f"{_HERE}.presenter:SeriesPresenter",
    contract=f"{_HERE}.contract:SeriesContract",
    metrics={
        "backtest": Named(
            f"{_HERE}.metrics.backtest:Backtest",
            "rolling forecasts of held-out series beside the seasonal naive",
        ),
        "courses": Named(
            f"{_HERE}.metrics.courses:Courses",
            "autocorrelation and spectra of drawn series, told apart by a classifier",
        ),
        "usefulness": Named(
            f"{_HERE}.metrics.usefulness:Usefulness",
            "what drawn series teach about real ones",
        ),
    },
    titles={
        "wql": say("Weighted quantile loss"),
        "mase": say("Mean absolute scaled error (MASE)"),
        "smape": say("Symmetric mean absolute percentage error (sMAPE)"),
        "coverage-50": say("Truth within the 50% interval"),
        "coverage-80": say("Truth within the 80% interval"),
        "coverage-95": say("Truth within the 95% interval"),
        "autocorrelation": say("Distance of autocorrelations"),
        "spectrum": say("Distance of spectra"),
        "next-value-error": say("Error of the next value, taught by drawn series"),
        "bits-per-value": say("Bits per value"),
    },
    edits={"infill": Named(f"{_HERE}.edits:FillSeries", "gaps drawn given both sides")},
    limits=(
        say(
            "A forecast says what follows if things go on as they did; it knows no causes and no "
            "events to come."
        ),
    ),
    data=DATA_SETS,
    foreign=(
        Foreign(
            say("series in formats that are not read"),
            (".arff", ".tsf", ".ts", ".nc", ".h5", ".hdf5", ".mat", ".rds"),
            say("save them as CSV: id, time, value"),
        ),
    ),
    rank=24,
)
