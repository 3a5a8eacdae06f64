"""The style sheet of the report; system fonts and nothing loaded from elsewhere."""

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #f1f5f9; color: #1e293b; font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
header { background: #0f172a; color: #f8fafc; padding: 28px max(24px, calc(50% - 650px)); }
header h1 { margin: 0; font-size: 26px; }
header p { margin: 4px 0 0; color: #cbd5e1; }
main { max-width: 1340px; margin: 0 auto; padding: 20px; }
section { background: #fff; border-radius: 10px; padding: 18px 22px; margin-bottom: 18px; box-shadow: 0 1px 3px #0f172a1f; overflow-x: auto; }
h2 { font-size: 18px; margin: 4px 0 10px; }
img { display: block; max-width: 100%; margin: 8px auto; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: 14px; background: none; box-shadow: none; padding: 0; }
.tile { background: #fff; border-radius: 10px; padding: 14px 18px; box-shadow: 0 1px 3px #0f172a1f; }
.tile span, .tile small { display: block; color: #64748b; font-size: 13px; }
.tile strong { font-size: 28px; }
.tile a { color: #1d4ed8; }
.pair > * { min-width: 0; max-width: 100%; overflow-x: auto; }
.pair { display: flex; flex-wrap: wrap; gap: 24px 28px; align-items: flex-start; }
.warnings { border-left: 5px solid #f59e0b; }
.note { color: #64748b; font-size: 13px; margin: 4px 0 8px; }
.pair .note { max-width: 440px; }
table { border-collapse: collapse; }
table.plain th { text-align: left; font-weight: 600; color: #475569; }
table.plain th, table.plain td { padding: 4px 10px 4px 4px; border-bottom: 1px solid #e2e8f0; vertical-align: middle; }
table.plain th.number, td.number { text-align: right; }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
td.wide { min-width: 120px; }
td i { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 8px; }
.bar { background: #e2e8f0; border-radius: 4px; height: 10px; }
.bar div { height: 10px; border-radius: 4px; }
table.heat { font-size: 13px; }
table.heat th { text-align: right; font-weight: 500; padding: 2px 8px; white-space: nowrap; }
table.heat th.corner { color: #94a3b8; font-size: 12px; vertical-align: bottom; }
table.heat td { width: 31px; height: 28px; text-align: center; border: 1px solid #fff; background-clip: padding-box; }
table.heat th.upright { padding: 0 0 6px; vertical-align: bottom; }
th.upright div { writing-mode: vertical-rl; transform: rotate(180deg); margin: 0 auto; white-space: nowrap; }
.chart { width: 640px; max-width: 100%; display: block; margin: 6px 0 12px; }
.chart .tick { font-size: 11px; fill: #64748b; text-anchor: middle; }
.chart .mark { font-size: 11px; fill: #b91c1c; }
.card { border-left: 4px solid #cbd5e1; padding-left: 16px; max-width: 900px; }
code, pre { font: 13px/1.45 ui-monospace, "DejaVu Sans Mono", monospace; background: #f1f5f9; border-radius: 4px; padding: 1px 4px; }
pre { padding: 10px; overflow-x: auto; }
@media (max-width: 600px) {
  main { padding: 10px; }
  section { padding: 14px 12px; }
  table.plain { font-size: 13px; }
  .wide { display: none; }
  table.plain td:first-child { white-space: nowrap; }
  img { min-width: 760px; max-width: none; }
  .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 10px; }
  .tile strong { font-size: 22px; }
  td code { overflow-wrap: anywhere; }
}
"""
