// The types that cross the boundary. All but the two below are generated from Rust.
export type * from './gen/index';
export type { Columns } from './columns';
