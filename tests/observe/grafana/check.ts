// The dashboard of examples/monitoring, held to Grafana's own types: `make dashboard` puts it in the place of DASHBOARD.
import type { Dashboard, DataQuery, Panel, VariableModel } from "@grafana/schema";
import type { Options as Stat } from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type {
  Options as TimeSeries,
} from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";
// What JSON has in the place of an enumeration: the text or the number itself.
type Plain<T> = T extends string ? `${T}`
  : T extends number ? (number extends T ? T : `${T}` extends `${infer N extends number}` ? N : T)
  : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;

type Source = { type: "prometheus"; uid: "${datasource}" };

type Shown = Omit<Panel, "type" | "options" | "targets" | "datasource"> & {
  datasource: Source;
  targets: (Pick<DataQuery, "refId"> & { expr: string; legendFormat: string; datasource: Source })[];
} & ({ type: "stat"; options: Partial<Stat> } | { type: "timeseries"; options: Partial<TimeSeries> });

type Given = Omit<Dashboard, "panels" | "templating"> & {
  panels: Shown[];
  templating: { list: VariableModel[] };
};

export const dashboard: Plain<Given> = DASHBOARD;
