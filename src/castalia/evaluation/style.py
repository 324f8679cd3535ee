"""The look of the report page: one style sheet, light and dark, no script, no font or picture from elsewhere."""

CSS = """
:root {
  color-scheme: light dark;
  --paper: #fbfaf7; --card: #ffffff; --ink: #1d2327; --soft: #5d676d; --faint: #8b949a; --line: #e4e1da;
  --model: #0f6e84; --band: #0f6e8433; --real: #3f7d3a; --naive: #9a9184; --memory: #b4690e; --warn: #9c3d1f; --warnbg: #fbeee8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14181b; --card: #1b2024; --ink: #e6e4df; --soft: #a5adb2; --faint: #7b858b; --line: #2d3439;
    --model: #5cc3da; --band: #5cc3da40; --real: #86c67f; --naive: #8d867b; --memory: #e0a35a; --warn: #f0a086; --warnbg: #33211b;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.6 "Source Sans 3", "Segoe UI", "Helvetica Neue", Helvetica, Arial, "Noto Sans", sans-serif;
  font-variant-numeric: tabular-nums; font-feature-settings: "kern";
}
main { max-width: 68rem; margin: 0 auto; padding: 4rem 1.5rem 6rem; }
h1, h2 { font-family: "Iowan Old Style", "Palatino Linotype", Palatino, "Source Serif 4", Georgia, "Noto Serif", serif; font-weight: 500; line-height: 1.2; text-wrap: balance; }
h1 { font-size: clamp(2rem, 4.5vw, 3rem); margin: .4rem 0 0; letter-spacing: -.01em; max-width: 22ch; }
h2 { font-size: 1.5rem; margin: 4rem 0 .5rem; }
p { margin: .4rem 0; max-width: 68ch; }
.eyebrow, .lead { color: var(--soft); }
.eyebrow { font-size: .85rem; letter-spacing: .04em; overflow-wrap: anywhere; }
.lead { margin-bottom: 1.2rem; }
.questions { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: 1px; background: var(--line); border: 1px solid var(--line); border-radius: 10px; overflow: hidden; margin: 2.2rem 0 0; }
.questions section { background: var(--card); padding: 1.1rem 1.25rem 1.3rem; }
.questions h3 { margin: 0 0 .3rem; font-size: .8rem; letter-spacing: .09em; text-transform: uppercase; color: var(--model); font-weight: 600; }
.questions p { margin: 0; font-size: .95rem; line-height: 1.5; }
.note { background: var(--warnbg); color: var(--warn); border-radius: 8px; padding: .7rem 1rem; margin: 1rem 0; max-width: none; font-size: .95rem; }
.scroll { overflow-x: auto; }
table.scores { border-collapse: collapse; width: 100%; min-width: 46rem; font-size: .95rem; }
.scores th { text-align: left; font-weight: 500; color: var(--soft); font-size: .82rem; padding: .4rem 1rem .4rem 0; border-bottom: 1px solid var(--line); vertical-align: bottom; }
.scores td { padding: .75rem 1rem 0 0; vertical-align: middle; }
.scores td.number, .scores th.number { text-align: right; white-space: nowrap; }
.scores tr.words td { padding: .1rem 1rem .8rem 0; border-bottom: 1px solid var(--line); color: var(--soft); font-size: .88rem; line-height: 1.45; }
.scores b { font-weight: 600; }
.scores .value { font-size: 1.15rem; font-weight: 600; }
.scores small, .network { color: var(--faint); font-size: .8rem; }
.network { display: block; }
.no { color: var(--warn); font-weight: 600; }
.strip { width: 15rem; height: 34px; display: block; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; color: var(--soft); font-size: .85rem; margin: .8rem 0 1rem; }
.legend svg { vertical-align: -4px; margin-right: .35rem; }
.beside { display: grid; grid-template-columns: 1fr 1fr; gap: 2rem; }
@media (max-width: 44rem) { .beside { grid-template-columns: 1fr; } main { padding-top: 2rem; } }
figure { margin: 0; min-width: 0; }
figcaption { color: var(--soft); font-size: .88rem; margin: 0 0 .5rem; }
.grid { display: grid; grid-template-columns: repeat(8, 1fr); gap: 3px; }
.grid img, .walk img, .near img, .sheet { width: 100%; display: block; border-radius: 2px; background: var(--line); }
img.small { image-rendering: pixelated; }
.near { display: grid; grid-template-columns: repeat(auto-fill, minmax(21rem, 1fr)); gap: 1rem 2rem; }
.near > div { display: grid; grid-template-columns: 1.35fr .5fr repeat(4, 1fr); gap: 4px; align-items: center; }
.near .first img { outline: 2px solid var(--model); outline-offset: 1px; }
.near span { color: var(--faint); font-size: .72rem; display: block; text-align: center; line-height: 1.3; }
.near .arrow { color: var(--faint); text-align: center; }
.walk { display: grid; gap: 3px; margin-bottom: 3px; max-width: 46rem; }
.walk img:first-child, .walk img:last-child { outline: 2px solid var(--real); outline-offset: -2px; }
.curves { display: grid; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); gap: 1.4rem 2rem; }
.curves svg { width: 100%; height: auto; display: block; }
dl { display: grid; grid-template-columns: minmax(8rem, auto) 1fr; gap: .25rem 1.5rem; font-size: .9rem; margin: .8rem 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
details { margin-top: 1rem; } summary { cursor: pointer; color: var(--soft); }
footer { margin-top: 4rem; border-top: 1px solid var(--line); padding-top: 1.2rem; color: var(--soft); font-size: .9rem; }
svg text { fill: var(--soft); font: 11px "Source Sans 3", "Segoe UI", "Helvetica Neue", Helvetica, Arial, sans-serif; }
svg .axis { stroke: var(--line); } svg .line { fill: none; stroke: var(--model); stroke-width: 1.6; stroke-linejoin: round; }
svg .raw { fill: none; stroke: var(--model); stroke-width: 1; opacity: .25; }
svg .band { fill: var(--band); } svg .model { fill: var(--model); } svg .real { stroke: var(--real); stroke-width: 2.5; }
svg .naive { fill: var(--paper); stroke: var(--naive); stroke-width: 1.8; } svg .memory { fill: var(--memory); }
@media print { body { background: #fff; } main { padding: 0; max-width: none; } h2 { break-after: avoid; } .near > div, .walk { break-inside: avoid; } }
"""
