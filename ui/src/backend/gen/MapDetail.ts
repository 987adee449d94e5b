export type MapDetail = "names" | "sampled" | "exact";
